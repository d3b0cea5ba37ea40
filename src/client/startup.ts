/**
 * From a client's first byte to a session: SSLRequest and GSSENCRequest, CancelRequest, the start-up packet, limits, authentication, the
 * welcome. A straight conversation, so straight code; promises end where the session begins.
 *
 * What the client asks for in its start-up packet becomes its settings label, as if it had said SET first thing. When the label is new to
 * a database, a server is asked once what it reports with these settings, and whether it accepts them at all.
 */
import type { AuthType, ClientPort } from '../auth/authenticate.ts';
import { authenticate } from '../auth/authenticate.ts';
import { intern, type Label } from '../server/settings.ts';
import type { Channel, ChannelOwner } from '../wire/channel.ts';
import * as code from '../wire/codes.ts';
import * as errors from '../wire/errors.ts';
import { startupParameters, utf8OfLatin1 } from '../wire/read.ts';
import { errorResponse, type MessageFields, negotiateProtocolVersion } from '../wire/write.ts';
import { startupSettings } from './startup-settings.ts';

/** A refusal: what the client is told (undefined: nothing), and what the log says. */
export class Refused extends Error {
  readonly told: MessageFields | undefined;
  readonly frame: Buffer | undefined;

  constructor(told: MessageFields | undefined, reason: string = told?.message ?? '', frame?: Buffer) {
    super(reason);
    this.told = told;
    this.frame = frame;
  }
}

/** What a start-up packet said. */
export interface StartupRequest {
  readonly user: string;
  readonly database: string;
  /** Settings that the client asked for, values as latin1. */
  readonly label: Label;
  readonly applicationName: string;
  /** 3.0 or 3.2. */
  readonly protocol: number;
  readonly replication: string | undefined;
}

const NO_BYTES = Buffer.alloc(0);

/** Messages of one client, one at a time, before there is a session. */
export class Greeter implements ChannelOwner, ClientPort {
  readonly channel: Channel;
  #bytes: Buffer = NO_BYTES;
  #waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #ended: Error | undefined;

  constructor(channel: (owner: ChannelOwner) => Channel) {
    this.channel = channel(this);
  }

  onChunk(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.length > 256 * 1024) this.channel.pause();
    this.#waiting?.resolve();
  }

  onDrain(): void {}

  onClose(error: Error | undefined): void {
    this.abort(error ?? new Error('client unexpected eof'));
  }

  /** Ends the conversation: whoever waits for a message gets this error. */
  abort(error: Error): void {
    this.#ended ??= error;
    this.#waiting?.reject(this.#ended);
  }

  async #atLeast(length: number): Promise<void> {
    while (this.#bytes.length < length) {
      if (this.#ended !== undefined) throw this.#ended;
      await new Promise<void>((resolve, reject) => {
        this.#waiting = { resolve, reject };
      });
      this.#waiting = undefined;
    }
    if (this.#ended !== undefined) throw this.#ended;
  }

  #take(length: number): Buffer {
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    if (this.#bytes.length < 64 * 1024) this.channel.resume();
    return taken;
  }

  /** Nothing more has arrived than what was read. */
  get empty(): boolean {
    return this.#bytes.length === 0;
  }

  /** A packet without type byte: its code and the rest of its body. */
  async startupPacket(): Promise<{ code: number; body: Buffer }> {
    await this.#atLeast(8);
    const length = this.#bytes.readInt32BE(0);
    // Whoever sends this does not speak the protocol, or says goodbye before it has begun: as in Postgres only the log hears of it.
    if (length < 8 || length > code.MAX_STARTUP_PACKET_BYTES)
      throw new Refused(undefined, errors.badPacketHeader(this.#bytes.subarray(0, 8)).message);
    await this.#atLeast(length);
    const packet = this.#take(length);
    return { code: packet.readInt32BE(4), body: packet.subarray(8) };
  }

  async read(): Promise<{ type: number; body: Buffer }> {
    await this.#atLeast(5);
    const length = this.#bytes.readInt32BE(1);
    if (length < 4 || length > 65_536 + 4) throw new Refused(errors.badPacketHeader(this.#bytes.subarray(0, 5)));
    await this.#atLeast(1 + length);
    const frame = this.#take(1 + length);
    return { type: frame[0]!, body: frame.subarray(5) };
  }

  send(frame: Uint8Array): void {
    this.channel.write(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
    this.channel.flush();
  }

  /** What arrived behind the last message; the session's first input. */
  rest(): Buffer {
    const rest = Buffer.from(this.#take(this.#bytes.length));
    this.#bytes = NO_BYTES;
    return rest;
  }
}

/** What start-up needs of the process. */
export interface StartupPlace {
  readonly ignoredParameters: () => readonly string[];
  /** Runs a CancelRequest; resolves when it is done with. */
  cancel(pid: number, secret: Buffer): Promise<void>;
}

/** Reads up to the start-up packet proper; undefined when it was a cancel request, which is then done. */
export async function readStartup(greeter: Greeter, place: StartupPlace): Promise<StartupRequest | undefined> {
  for (let asked = 0; ; asked++) {
    const packet = await greeter.startupPacket();
    switch (packet.code) {
      case code.SSL_REQUEST:
      case code.GSSENC_REQUEST:
        if (asked > 1) throw new Refused(errors.startupRepeated);
        if (!greeter.empty) throw new Refused(packet.code === code.SSL_REQUEST ? errors.dataAfterSslRequest : errors.dataAfterGssRequest);
        greeter.send(Buffer.from([code.ENCRYPTION_REFUSED]));
        continue;
      case code.CANCEL_REQUEST:
        if (packet.body.length >= 8) await place.cancel(packet.body.readInt32BE(0), Buffer.from(packet.body.subarray(4)));
        return undefined;
      default:
        return startupRequest(greeter, packet.code, Buffer.from(packet.body), place.ignoredParameters());
    }
  }
}

function startupRequest(greeter: Greeter, version: number, body: Buffer, ignored: readonly string[]): StartupRequest {
  const [major, minor] = [version >>> 16, version & 0xffff];
  if (major === 2) throw new Refused(errors.oldProtocol);
  if (major !== 3) throw new Refused(errors.unsupportedProtocol(major, minor));
  const parameters = startupParameters(body);
  if (parameters === undefined) throw new Refused(errors.startupWithoutTerminator);
  const options = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
  // As Postgres: 3.1, which was never released, is taken as it comes; who asks for something newer than we know is told what we speak.
  const protocol = minor >= 2 ? code.PROTOCOL_3_2 : code.PROTOCOL_3_0;
  if (options.length > 0 || minor > 2) greeter.send(negotiateProtocolVersion(protocol, options));
  const user = utf8OfLatin1(parameters.get('user') ?? '');
  if (user === '') throw new Refused(errors.noUserName);
  if (Buffer.byteLength(user) > 127) throw new Refused(errors.userNameTooLong);
  const database = utf8OfLatin1(parameters.get('database') ?? '') || user;
  const settings = startupSettings(parameters, ignored);
  if ('refused' in settings) throw new Refused(settings.refused);
  return {
    user,
    database,
    label: intern(settings.values),
    applicationName: settings.values.get('application_name') ?? '',
    protocol,
    replication: parameters.get('replication'),
  };
}

/** The first frame of a refusal, then the end. */
export function refuse(greeter: Greeter, refused: Refused): void {
  if (refused.frame !== undefined) greeter.channel.write(refused.frame);
  else if (refused.told !== undefined) greeter.channel.write(errorResponse(refused.told));
  greeter.channel.end();
}

export { type AuthType, authenticate };
