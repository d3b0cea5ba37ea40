/** Who a client's server connections log in as, and with what. Learnt at the client's own log-in. */
import type { ScramKeys } from '../auth/scram-keys.ts';
import type { Secret } from '../auth/secrets.ts';

export interface Credentials {
  readonly user: string;
  /** From the auth_file; undefined where there is none (auth_type any, or a forced user with a password of its own). */
  readonly secret: Secret | undefined;
  /** The clear password, where it is known: from the database's line, or from a client that sent it. */
  readonly password: string | undefined;
  /** Learnt from the client's own SCRAM exchange. */
  readonly scramKeys: ScramKeys | undefined;
}
