/**
 * As whom, and with what, server connections log in: by the line of the database, or with the user's own secret as it is known now, which for a
 * forced user is not the client's.
 */
import type { ScramKeys } from '../auth/scram-keys.ts';
import { parseSecret, type Secret } from '../auth/secrets.ts';
import type { DatabaseEntry } from '../config/config.ts';
import type { LoginRequest } from '../server/login.ts';

/** A client that has proved who it is, and what it is known by. */
export interface Login {
  readonly user: string;
  readonly secret: Secret | undefined;
  readonly scramKeys?: ScramKeys | undefined;
}

export class Logins {
  /** What the file of secrets has for a user now. */
  readonly #secret: (user: string) => Secret | undefined;
  readonly #latest = new Map<string, Login>();

  constructor(secret: (user: string) => Secret | undefined) {
    this.#secret = secret;
  }

  /** Later connections for this user log in with what it is known by now. */
  loggedIn(login: Login): void {
    if (login.secret !== undefined) this.#latest.set(login.user, login);
  }

  of(entry: DatabaseEntry, login: Login): LoginRequest {
    const user = entry.user ?? login.user;
    const latest = this.#latest.get(user) ?? (entry.user === undefined ? login : undefined);
    const secret = entry.password !== undefined ? parseSecret(entry.password) : (this.#secret(user) ?? latest?.secret);
    const scramKeys = entry.password === undefined ? latest?.scramKeys : undefined;
    const startup: Record<string, string> = {};
    if (entry.client_encoding !== undefined) startup.client_encoding = entry.client_encoding;
    if (entry.datestyle !== undefined) startup.DateStyle = entry.datestyle;
    if (entry.timezone !== undefined) startup.TimeZone = entry.timezone;
    if (entry.application_name !== undefined) startup.application_name = entry.application_name;
    return { user, database: entry.dbname, secret, scramKeys, startup };
  }
}
