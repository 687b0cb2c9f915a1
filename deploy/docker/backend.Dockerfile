# The backend's image; its commands (migrate, operator create, …) too. From the
# checkout's root:
#
#   docker build -f deploy/docker/backend.Dockerfile --build-arg VERSION="$(git describe --tags --always)" -t gatehouse/backend .

FROM --platform=$BUILDPLATFORM golang:1.26.8-alpine3.24@sha256:8ac98ca534ac3f51e1f420a1dd2c15e74c75cfa0f23f3ad27eb5d7236c349a0c AS build
ENV CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOTOOLCHAIN=local
WORKDIR /src

# Up to the download both images have the same layers, which change with the
# dependencies only. All three modules, because the program is built in the
# workspace, with the versions that the tests ran with.
COPY go.work go.work.sum go.mod go.sum ./
COPY gateway/go.mod gateway/go.sum gateway/
COPY backend/go.mod backend/go.sum backend/
# Module by module: in the workspace, download fetches the whole module graph.
RUN --mount=type=cache,target=/go/pkg/mod \
    for module in . gateway backend; do GOWORK=off go -C "$module" mod download || exit 1; done

COPY api api
COPY sql sql
COPY internal internal
COPY backend backend
ARG TARGETOS TARGETARCH
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags "-s -w -X gatehouse/internal/buildinfo.Version=$VERSION" \
        -o /out/backend ./backend/cmd/backend

# No shell and no package manager; root certificates for PostgreSQL and Redis
# over TLS.
FROM gcr.io/distroless/static-debian13:nonroot@sha256:e2e927ec666bae08560abb3c55d0659eceabb657f56b6782ab500a9fc7f555e3
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Gatehouse backend" \
      org.opencontainers.image.description="The service behind the gateway: accounts, sessions and the tenants' data in PostgreSQL." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /out/backend /backend
# The ops listener has no authentication. Nothing outside a container reaches
# its loopback, so it listens on all addresses: do not publish the port.
ENV BACKEND_OPS_ADDR=:9091
# A number, so that a cluster can see that it is not root.
USER 65532:65532
EXPOSE 8081 9091
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/backend", "health"]
ENTRYPOINT ["/backend"]
CMD ["serve"]
