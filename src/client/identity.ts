/** Who a client is: fixed at its log-in, and known to all who deal with its session. */
import type { Label } from '../server/settings.ts';
import type { Credentials } from './credentials.ts';

/** Who the client is; fixed at log-in. */
export interface SessionIdentity {
  readonly id: number;
  readonly user: string;
  readonly database: string;
  readonly credentials: Credentials;
  readonly label: Label;
  readonly applicationName: string;
  /** The cancel key that the client was given; the secret in hex, as a string takes a fraction of a buffer's memory. */
  readonly pid: number;
  readonly secret: string;
  /** Milliseconds since 1970. */
  readonly connectedAtMs: number;
  readonly maxPacketBytes: number;
}
