#!/bin/bash
# Runs once on an empty primary: the user that replicas stream as, the application's user, and the tables of a shard.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set=replication_password="$REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE replicator LOGIN REPLICATION PASSWORD :'replication_password';
CREATE ROLE app LOGIN PASSWORD 'app';
GRANT CREATE ON SCHEMA public TO app;
SET ROLE app;
CREATE TABLE countries (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE customers (
  customer_id bigint PRIMARY KEY,
  name text NOT NULL,
  country text NOT NULL REFERENCES countries
);
CREATE TABLE orders (
  customer_id bigint NOT NULL REFERENCES customers,
  order_id uuid NOT NULL DEFAULT gen_random_uuid(),
  placed_at timestamptz NOT NULL DEFAULT now(),
  total numeric(10, 2) NOT NULL,
  PRIMARY KEY (customer_id, order_id)
);
INSERT INTO countries VALUES ('NL', 'Netherlands'), ('PT', 'Portugal'), ('SE', 'Sweden');
SQL

# `all` in pg_hba.conf does not mean replication.
echo 'host replication replicator all scram-sha-256' >>"$PGDATA/pg_hba.conf"
