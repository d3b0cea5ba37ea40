/**
 * The database that both sides start from, as SQL: schema `f` has functions, procedures and types whose effects on the session no parser of
 * the calling statement sees; `harness.reset(n)` makes the schema of slot n as new.
 */

export const ROLES = `
CREATE ROLE diff_a NOLOGIN;
CREATE ROLE diff_b NOLOGIN;
CREATE ROLE diff_plain LOGIN PASSWORD 'diff_plain';
GRANT diff_a, diff_b TO diff_plain;
`;

export const SCHEMA = `
DROP SCHEMA public;
CREATE SCHEMA f;
GRANT USAGE ON SCHEMA f TO public;
CREATE FUNCTION f.set(name text, value text) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config(name, value, false); RETURN current_setting(name); END $$;
CREATE FUNCTION f.set_sql(name text, value text) RETURNS text LANGUAGE sql AS $$ SELECT set_config(name, value, false) $$;
CREATE FUNCTION f.set_local(name text, value text) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config(name, value, true); RETURN current_setting(name); END $$;
CREATE FUNCTION f.run(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$;
CREATE FUNCTION f.lock(key bigint) RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(key); RETURN 1; END $$;
CREATE FUNCTION f.unlock(key bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT pg_advisory_unlock(key) $$;
CREATE FUNCTION f.quiet(i int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN i + 1; END $$;
CREATE FUNCTION f.noisy(i int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN IF i > 3 THEN PERFORM set_config('app.a', 'noisy', false); END IF; RETURN i; END $$;
CREATE FUNCTION f.scoped() RETURNS text LANGUAGE plpgsql SET work_mem = '21MB' SET app.a = 'scoped' AS
  $$ BEGIN RETURN current_setting('work_mem') || current_setting('app.a'); END $$;
CREATE FUNCTION f.definer() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
  $$ BEGIN PERFORM set_config('app.a', 'definer', false); RETURN current_user; END $$;
CREATE FUNCTION f.set_then_fail() RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('app.a', 'never', false); RAISE EXCEPTION 'on purpose'; END $$;
CREATE FUNCTION f.set_and_catch() RETURNS text LANGUAGE plpgsql AS $$
  BEGIN
    BEGIN PERFORM set_config('app.a', 'never', false); RAISE EXCEPTION 'on purpose';
    EXCEPTION WHEN raise_exception THEN PERFORM set_config('work_mem', '23MB', false); END;
    RETURN current_setting('app.a');
  END $$;
CREATE FUNCTION f.seed() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM setseed(0.75); END $$;
CREATE PROCEDURE f.p_set(name text, value text) LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config(name, value, false); END $$;
CREATE PROCEDURE f.p_commit(name text, value text) LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config(name, value, false); COMMIT; PERFORM set_config(name, value || ' twice', false); ROLLBACK; END $$;
CREATE FUNCTION f.remainder(a int, b int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('app.a', 'by operator', false); RETURN a % b; END $$;
CREATE OPERATOR f.%% (LEFTARG = int, RIGHTARG = int, FUNCTION = f.remainder);
CREATE FUNCTION f.fits(value text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('app.a', 'by domain', false); RETURN true; END $$;
CREATE DOMAIN f.dom AS text CHECK (f.fits(VALUE));
CREATE FUNCTION f.trigger() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM set_config('app.a', 'by trigger ' || TG_OP, false);
    RETURN coalesce(NEW, OLD);
  END $$;
CREATE FUNCTION f.lock_of(slot int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_lock(slot * 100 + 20); RETURN slot; END $$;

CREATE SCHEMA harness;
CREATE PROCEDURE harness.reset(n int) LANGUAGE plpgsql AS $reset$
  BEGIN
    SET LOCAL client_min_messages = 'error';
    EXECUTE replace($sql$
      DROP SCHEMA IF EXISTS c$N CASCADE;
      CREATE SCHEMA c$N;
      GRANT ALL ON SCHEMA c$N TO public;
      CREATE TABLE c$N.t (id serial PRIMARY KEY, v text);
      INSERT INTO c$N.t (v) VALUES ('first'), ('second');
      CREATE SEQUENCE c$N.s;
      CREATE TABLE c$N.u (a int UNIQUE DEFERRABLE INITIALLY DEFERRED);
      INSERT INTO c$N.u VALUES (1);
      CREATE TABLE c$N.trg (a int);
      CREATE TRIGGER trg AFTER INSERT OR DELETE ON c$N.trg FOR EACH ROW EXECUTE FUNCTION f.trigger();
      CREATE TABLE c$N.d (a int DEFAULT f.lock_of($N));
      CREATE VIEW c$N.w AS SELECT f.set('app.a', 'by view') AS was;
      GRANT ALL ON ALL TABLES IN SCHEMA c$N TO public;
      GRANT ALL ON ALL SEQUENCES IN SCHEMA c$N TO public;
      CREATE TABLE c$N.only_a (a int);
      GRANT ALL ON c$N.only_a TO diff_a;
    $sql$, '$N', n::text);
  END $reset$;
`;

/**
 * `app.a` is a placeholder that every session has, with a value that nobody sets. A session can lock itself out, by a transaction that it
 * prepared: then it is told soon.
 */
export const databaseSettings = (name: string): string =>
  `ALTER DATABASE ${name} SET app.a = 'base'; ALTER DATABASE ${name} SET lock_timeout = '1500ms'`;
