// Package deployed is a visit to a Gatehouse that runs already, with its demo user:
// TestDeployed, behind the build tag of the same name. deploy/docker/compose.test.yml
// runs it in a container beside the others. Its environment says where to:
//
//	GATEHOUSE_URL            the address that clients use, such as https://localhost:8443
//	GATEHOUSE_CA             file with the certificate to trust
//	GATEHOUSE_PASSWORD_FILE  file with the password of the user demo of tenant1
//	GATEHOUSE_GATEWAYS       ops listeners of the gateways, host:port, of which a name
//	                         stands for all of its addresses; each must have had its share
package deployed
