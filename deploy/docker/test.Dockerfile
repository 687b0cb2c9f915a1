# The visitor of compose.test.yml: a test that signs in and uses what is deployed.

FROM golang:1.26.8-alpine3.24@sha256:8ac98ca534ac3f51e1f420a1dd2c15e74c75cfa0f23f3ad27eb5d7236c349a0c AS build
ENV CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOTOOLCHAIN=local GOWORK=off
WORKDIR /src
COPY go.mod go.sum ./
COPY internal/e2e/deployed internal/e2e/deployed
# The standard library is all that it needs.
RUN --mount=type=cache,target=/root/.cache/go-build \
    go test -c -tags deployed -o /out/deployed ./internal/e2e/deployed

FROM gcr.io/distroless/static-debian13:nonroot@sha256:e2e927ec666bae08560abb3c55d0659eceabb657f56b6782ab500a9fc7f555e3
LABEL org.opencontainers.image.title="Gatehouse test" \
      org.opencontainers.image.description="A visit to a Gatehouse that runs already." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /out/deployed /deployed
USER 65532:65532
ENTRYPOINT ["/deployed", "-test.v", "-test.timeout=2m"]
