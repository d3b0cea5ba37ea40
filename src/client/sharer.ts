/**
 * A session's queries that travel with those of other clients: may this one (`wish`), its turn on a shared server (`begin`), and how that turn
 * ends. The session is in the phase `shared` meanwhile: it holds no server, and its request stays as it is, so that it can be asked again.
 */
import type { Target } from '../../routing/index.ts';
import type { SharingWish } from '../pool/sharing.ts';
import type { Again, SharedClient, SharedExchange } from '../relay/shared.ts';
import { sendCancel } from '../server/cancel.ts';
import { trimPrepared } from '../server/cleaning.ts';
import type { Lost } from '../server/exchange.ts';
import type { Server } from '../server/server.ts';
import { withoutIdentity } from '../server/settings.ts';
import { STATUS_IDLE } from '../wire/codes.ts';
import { askClearance } from './clearance.ts';
import type { Output } from './output.ts';
import type { Place, Tally } from './place.ts';
import type { Request } from './request.ts';
import { misleading } from './settled-first.ts';
import { type Sharable, sharableOf, share } from './share.ts';
import type { SessionState } from './state.ts';

/** Who goes away while his query has run for so long leaves nothing behind that runs on. */
const LONG_MS = 100;

/** The session, as its sharer needs it. */
export interface SharerOwner {
  readonly identity: { readonly database: string };
  readonly request: Request;
  readonly state: SessionState;
  readonly output: Output;
  /** The query is in a server's queue. */
  shared(server: Server): void;
  /** The answer was given, but for ReadyForQuery. */
  sharedDone(failed: boolean, ms: number): void;
  /** The query needs a server of its own. */
  alone(): void;
  /** The server is gone; nothing more can be done. */
  broken(lost: Lost): void;
}

export class Sharer implements SharedClient {
  readonly #owner: SharerOwner;
  readonly #place: Place;
  #sharable: Sharable | undefined;
  #target: Target | undefined;
  #server: Server | undefined;
  #exchange: SharedExchange | undefined;
  /** It failed as a prepared statement would whose definitions have changed. */
  #stale = false;
  /** The client does not read, and so the server is not read from. */
  #pauses = false;
  readonly #tally: Tally;

  constructor(owner: SharerOwner, place: Place) {
    this.#owner = owner;
    this.#place = place;
    this.#tally = place.tally(owner.identity.database);
  }

  /** A new request that stands alone; what it must find on a server that it shares, or undefined when it may not. */
  wish(target: Target): SharingWish | undefined {
    const { request, state, output } = this.#owner;
    this.#stale = false;
    this.#target = target;
    const sharable = sharableOf(request);
    this.#sharable = sharable?.shape.whyExclusive === undefined ? sharable : undefined;
    if (sharable === undefined || this.#sharable === undefined || !sharable.shape.isQuick || output.congested) return undefined;
    const { label } = state;
    if (withoutIdentity(label) !== label) return undefined;
    if (!this.#isCleared(sharable)) return undefined;
    return { label: label.nameless, reported: output.reported.nameless };
  }

  #isCleared({ shape }: Sharable): boolean {
    const { texts, clock } = this.#place;
    return shape.isCleared(this.#target!.database, texts.generation, clock.nowMs());
  }

  /** Nothing that could be shared is under way. */
  forget(): void {
    this.#sharable = undefined;
  }

  begin(server: Server): void {
    const { request, state } = this.#owner;
    if (!this.#isCleared(this.#sharable!) || misleading({ request, state, place: this.#place, status: STATUS_IDLE }, server).size > 0) {
      // A definition has changed while it stood in line, or may have since the client was told of its statement.
      this.#owner.alone();
      return server.owner.sharedDone(server);
    }
    this.#server = server;
    this.#exchange = share(server, {
      client: this,
      request,
      names: state.names,
      sharable: this.#sharable!,
      autoPrepare: state.policy.autoPrepare,
      clock: this.#place.clock,
    });
    this.#tally.assignments += 1;
    this.#tally.binds += request.isSimple ? 0 : 1;
    this.#tally.clientParses += request.parsedUnnamed ? 1 : 0;
    this.#owner.shared(server);
  }

  /** A query that had a server of its own is answered: what is learnt of its shape. */
  ranAlone(ms: number, bytes: number, failed: boolean): void {
    if (failed || this.#sharable === undefined) return;
    this.#sharable.shape.ranAlone(ms, bytes);
    // It would have failed here as well, had nothing changed.
    if (this.#stale) this.#place.definitionsChanged(this.#target!.database);
  }

  /** Before a server is given back: does anyone have to ask its catalog? Then it is given back when that is done. */
  asksFirst(server: Server): boolean {
    const shape = this.#sharable?.shape;
    const database = this.#target?.database;
    const { texts, clock } = this.#place;
    if (shape === undefined || database === undefined || !shape.wantsClearance(database, texts.generation, clock.nowMs())) return false;
    // One at a time: a crowd of new texts shall not take every connection for our questions.
    if (texts.asking.has(database)) return false;
    texts.asking.add(database);
    server.holder = undefined;
    askClearance(server, shape, database, {
      generation: texts.generation,
      nowMs: () => clock.nowMs(),
      done: () => {
        texts.asking.delete(database);
        if (!server.closed) server.owner.release(server);
      },
    });
    return true;
  }

  // -- the turn ---------------------------------------------------------------------------------------------------------------------

  forward(chunk: Buffer, start: number, end: number): void {
    const { output } = this.#owner;
    output.forward(chunk, start, end);
    if (!output.congested) return;
    // A client that does not read shall not keep the others waiting.
    this.#server?.displace(Number.POSITIVE_INFINITY);
    this.#server?.pause();
    this.#pauses = true;
  }

  /** The client reads again. */
  drained(): void {
    if (this.#pauses) this.#server?.resume();
    this.#pauses = false;
  }

  #end(): void {
    this.drained();
    this.#server = undefined;
    this.#exchange = undefined;
  }

  sharedAnswered(exchange: SharedExchange, _status: number, ms: number): void {
    const { request, state } = this.#owner;
    const server = this.#server!;
    this.#end();
    if (request.parsedUnnamed) state.names.unnamed = exchange.parsed ? this.#sharable!.prepared : undefined;
    if (!exchange.failed) this.#sharable!.shape.ran(ms, exchange.bytes);
    trimPrepared(server, state.policy.maxPreparedStatements, () => server.owner.sharedDone(server));
    this.#tally.queries += 1;
    this.#tally.queryMs += ms;
    this.#tally.serverParses += server.prepared.takeCount();
    this.#tally.transactions += 1;
    this.#tally.transactionMs += ms;
    this.#owner.sharedDone(exchange.failed, ms);
  }

  sharedAgain(why: Again): void {
    const counts = this.#server!.owner.pipeline;
    this.#end();
    switch (why) {
      case 'lost':
        counts.resentLost += 1;
        break;
      case 'slow':
        counts.resentSlow += 1;
        break;
      case 'canceled':
        counts.resentCanceled += 1;
        break;
      case 'stale':
        counts.resentStale += 1;
        this.#stale = true;
        if (this.#sharable?.prepared !== undefined) this.#owner.state.names.results.doubt(this.#sharable.prepared);
        break;
    }
    this.#owner.alone();
  }

  sharedBroken(lost: Lost): void {
    this.#end();
    this.#owner.broken(lost);
  }

  /** The client is gone: its answer is dropped, and a query that has run for long is cancelled. */
  leave(): void {
    const [server, exchange] = [this.#server, this.#exchange];
    if (server === undefined || exchange === undefined) return;
    const runsMs = this.#place.clock.nowMs() - server.headSinceMs;
    if (server.isHead(exchange) && runsMs > LONG_MS) this.#cancelHead(server);
    exchange.leave();
    this.#end();
  }

  #cancelHead(server: Server): void {
    // No other query joins the queue until the cancel is through.
    server.cancelSent();
    sendCancel(server);
  }

  /**
   * The client cancels its query: true when it can be told at once, because nothing of the answer has reached it. The server is asked to cancel
   * only what it is at: should the cancel come too late, it hits another client's query, which is then asked again.
   */
  cancel(): boolean {
    const [server, exchange] = [this.#server, this.#exchange];
    if (server === undefined || exchange === undefined) return false;
    if (server.isHead(exchange)) this.#cancelHead(server);
    if (!exchange.untouched) return false;
    const { request, state } = this.#owner;
    if (request.parsedUnnamed) state.names.unnamed = this.#sharable!.prepared;
    exchange.leave();
    this.#end();
    return true;
  }
}
