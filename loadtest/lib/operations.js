// The operations of the contract that scenarios use, under their operationId. A
// test holds this table against api/openapi.yaml.
export const operations = {
  getHealthV1: { method: 'GET', path: '/api/v1/health', class: 'probe' },
  ping: { method: 'GET', path: '/api/v1/ping', class: 'probe' },
  signup: { method: 'POST', path: '/api/v1/auth/signup', class: 'auth' },
  login: { method: 'POST', path: '/api/v1/auth/login', class: 'auth' },
  refreshTokens: { method: 'POST', path: '/api/v1/auth/refresh', class: 'refresh' },
  logout: { method: 'POST', path: '/api/v1/auth/logout', class: 'write' },
  getMe: { method: 'GET', path: '/api/v1/auth/me', class: 'read' },
  listOwnSessions: { method: 'GET', path: '/api/v1/auth/sessions', class: 'read' },
  listContacts: { method: 'GET', path: '/api/v1/address-book', class: 'read' },
  createContact: { method: 'POST', path: '/api/v1/address-book', class: 'write' },
  exportContacts: { method: 'GET', path: '/api/v1/address-book/export', class: 'export' },
  getContact: { method: 'GET', path: '/api/v1/address-book/{id}', class: 'read' },
  updateContact: { method: 'PUT', path: '/api/v1/address-book/{id}', class: 'write' },
  deleteContact: { method: 'DELETE', path: '/api/v1/address-book/{id}', class: 'write' },
};
