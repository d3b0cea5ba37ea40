/**
 * What a client is told: bytes of answers as they come, frames of our own, and the parameters that a server reports where they differ from what
 * the client knows. Counts what leaves.
 */
import { changedParameters, type Reported } from '../server/reported.ts';
import type { Server } from '../server/server.ts';
import type { Channel } from '../wire/channel.ts';
import * as code from '../wire/codes.ts';
import { withPid } from '../wire/write.ts';
import type { Notifiers } from './notifiers.ts';
import type { Tally } from './place.ts';
import { type Reading, readingOf } from './statements.ts';

export class Output {
  readonly #channel: Channel;
  readonly #tally: Tally;
  /** The client's own process id, as BackendKeyData told it. */
  readonly #pid: number;
  readonly #notifiers: Notifiers;
  /** The parameters as the client knows them. */
  reported: Reported;
  #reading: Reading | undefined;
  #readingFor: Reported | undefined;
  /** Bytes of the answer that is under way. */
  answerBytes = 0;

  constructor(channel: Channel, tally: Tally, pid: number, reported: Reported, notifiers: Notifiers) {
    this.#notifiers = notifiers;
    this.#channel = channel;
    this.#tally = tally;
    this.#pid = pid;
    this.reported = reported;
  }

  /** How the client's texts are to be read. */
  get reading(): Reading {
    if (this.#readingFor !== this.reported) {
      this.#readingFor = this.reported;
      this.#reading = readingOf(this.reported);
    }
    return this.#reading!;
  }

  get applicationName(): string | undefined {
    return this.reported.values.get('application_name');
  }

  /** The client does not take what it is given. */
  get congested(): boolean {
    return this.#channel.congested;
  }

  /** A frame of our own. */
  send(frame: Buffer): void {
    this.#channel.write(frame);
  }

  forward(chunk: Buffer, start: number, end: number): void {
    this.#tally.sentBytes += end - start;
    this.answerBytes += end - start;
    this.#channel.write(chunk, start, end);
  }

  /** The client learns of parameters that are different on this server. */
  tellParameters({ reported }: Server): void {
    if (this.reported !== reported) this.send(changedParameters(this.reported, reported));
    this.reported = reported;
  }

  /** A frame that belongs to no answer. */
  unsolicited(server: Server, type: number, chunk: Buffer, start: number, end: number): void {
    if (type === code.PARAMETER_STATUS) this.reported = server.reported;
    const sender = type === code.NOTIFICATION_RESPONSE ? this.#senderOf(server, chunk.readInt32BE(start + 5)) : undefined;
    if (sender === undefined) return this.forward(chunk, start, end);
    const mended = withPid(chunk, start, end, sender);
    this.forward(mended, 0, mended.length);
  }

  /** The client that notified; who listens is pinned, so what comes from another server connection is never its own. */
  #senderOf(server: Server, pid: number): number | undefined {
    if (pid === server.identity.pid) return this.#pid;
    const sender = this.#notifiers.of(server, pid);
    return sender === this.#pid ? undefined : sender;
  }
}
