#!/bin/sh
# Makes the secrets of docker-compose.yml: keys, passwords, the certificate, and
# the connection strings that hold a password. They are drawn once and kept, so
# that the next start opens the same database; only the certificate is renewed,
# when 30 days are left. It runs in any POSIX shell with openssl.
#
#   secrets.sh [directory]
#
# private/ keeps what was drawn. Of it every service gets a copy of what it
# needs, in a directory (in containers: a volume) of its own, readable by the
# user that it runs as and by nobody else.
set -eu
umask 077

out=${1:-/secrets}
postgres=${POSTGRES_ADDR:-postgres:5432}
redis=${REDIS_ADDR:-redis:6379}

# The users of the images, as uid:gid.
postgres_user=70:70
redis_user=999:1000
gatehouse_user=65532:65532

# draw NAME COMMAND…: keeps what the command prints, unless it was drawn before.
# A file gets its name when it is complete.
draw() {
    file=$out/private/$1
    shift
    if [ ! -s "$file" ]; then
        "$@" >"$file.new"
        mv "$file.new" "$file"
    fi
}

# Hexadecimal digits mean themselves in a URL, a shell and a configuration file.
key() { openssl rand -hex 32; }

# A password for people has to have a capital letter, a small one and a digit.
password() { echo "Gate-$(openssl rand -hex 8)-1"; }

drawn() { cat "$out/private/$1"; }

# give DIRECTORY OWNER NAME TEXT: hands a service one file.
give() {
    file=$out/$1/$3
    rm -f "$file.new"
    printf '%s\n' "$4" >"$file.new"
    chmod 0400 "$file.new"
    if [ "$(id -u)" = 0 ]; then
        chown "$2" "$file.new"
    fi
    mv "$file.new" "$file"
}

certificate() {
    if [ -s "$out/private/tls.crt" ] && openssl x509 -in "$out/private/tls.crt" -noout -checkend 2592000 >/dev/null; then
        return
    fi
    cat >"$out/private/tls.cnf" <<'END'
[req]
prompt = no
distinguished_name = name
x509_extensions = extensions
[name]
O = Gatehouse development
CN = localhost
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:gateway, IP:127.0.0.1, IP:::1
END
    openssl req -x509 -config "$out/private/tls.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
        -keyout "$out/private/tls.key.new" -out "$out/private/tls.crt.new" 2>/dev/null
    rm -f "$out/private/tls.crt" # else an end here would leave two that do not match
    mv "$out/private/tls.key.new" "$out/private/tls.key"
    mv "$out/private/tls.crt.new" "$out/private/tls.crt"
}

mkdir -p "$out/private"
for directory in postgres redis setup backend gateway; do
    mkdir -p "$out/$directory"
    chmod 0755 "$out/$directory" # the files in it have a mode of their own
done

for name in jwt_secret cursor_encryption_key tenant_db_key log_hash_key \
    superuser_password owner_password app_password maint_password redis_password; do
    draw "$name" key
done
draw operator_password password
draw demo_password password
certificate

owner_url="postgres://gh_owner:$(drawn owner_password)@$postgres/gatehouse?sslmode=disable"
app_url="postgres://gh_app:$(drawn app_password)@$postgres/gatehouse?sslmode=disable"
maint_url="postgres://gh_maint:$(drawn maint_password)@$postgres/gatehouse?sslmode=disable"
redis_url="redis://:$(drawn redis_password)@$redis/0"

give postgres "$postgres_user" superuser_password "$(drawn superuser_password)"

give redis "$redis_user" redis.conf "requirepass $(drawn redis_password)"

give setup "$gatehouse_user" bootstrap_database_url "postgres://postgres:$(drawn superuser_password)@$postgres/postgres?sslmode=disable"
give setup "$gatehouse_user" migrate_database_url "$owner_url"
give setup "$gatehouse_user" database_url "$app_url"
give setup "$gatehouse_user" maint_database_url "$maint_url"
give setup "$gatehouse_user" tenant_db_key "$(drawn tenant_db_key)"
give setup "$gatehouse_user" operator_password "$(drawn operator_password)"
give setup "$gatehouse_user" demo_password "$(drawn demo_password)"

give backend "$gatehouse_user" database_url "$app_url"
give backend "$gatehouse_user" maint_database_url "$maint_url"
give backend "$gatehouse_user" redis_url "$redis_url"
give backend "$gatehouse_user" jwt_secret "$(drawn jwt_secret)"
give backend "$gatehouse_user" cursor_encryption_key "$(drawn cursor_encryption_key)"
give backend "$gatehouse_user" tenant_db_key "$(drawn tenant_db_key)"
give backend "$gatehouse_user" log_hash_key "$(drawn log_hash_key)"

give gateway "$gatehouse_user" redis_url "$redis_url"
give gateway "$gatehouse_user" jwt_secret "$(drawn jwt_secret)"
give gateway "$gatehouse_user" log_hash_key "$(drawn log_hash_key)"
give gateway "$gatehouse_user" tls.crt "$(drawn tls.crt)"
give gateway "$gatehouse_user" tls.key "$(drawn tls.key)"
