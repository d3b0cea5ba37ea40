/**
 * The last exchanges and where they went, for SHOW LAST_ROUTES. A ring of slots that are filled in place: remembering one costs a few
 * assignments and no allocation; rows are made when somebody looks.
 */
import type { Plan, Role } from '../routing/index.ts';
import type { LastRouteRow } from './admin/view.ts';
import type { ExchangeDone } from './client/place.ts';
import type { Server } from './server/server.ts';
import { latin1, utf8OfLatin1 } from './wire/read.ts';

const KEPT = 200;
const STATEMENT_CHARACTERS = 200;
/** Bytes of a text. */
const KEPT_WHOLE = 8 * 1024;

interface Slot {
  atMs: number;
  client: number;
  database: string;
  plan: Plan | undefined;
  server: Server | undefined;
  about: ExchangeDone['about'];
  ms: number;
  outcome: ExchangeDone['outcome'];
}

export class LastRoutes {
  readonly #slots: Slot[] = [];
  #next = 0;
  readonly #roleOf: (database: string, server: Server) => Role | undefined;

  /** `roleOf`: what the server's host was found to be, if anybody asked it. */
  constructor(roleOf: (database: string, server: Server) => Role | undefined) {
    this.#roleOf = roleOf;
  }

  add({ session, plan, ms, outcome, about }: ExchangeDone): void {
    let slot = this.#slots[this.#next];
    if (slot === undefined) {
      slot = { atMs: 0, client: 0, database: '', plan: undefined, server: undefined, about: undefined, ms: 0, outcome: 'ok' };
      this.#slots.push(slot);
    }
    this.#next = (this.#next + 1) % KEPT;
    slot.atMs = Date.now();
    slot.client = session.identity.id;
    slot.database = session.identity.database;
    slot.plan = plan;
    slot.server = plan?.kind === 'one' ? session.server : undefined;
    slot.about = shortened(about);
    slot.ms = ms;
    slot.outcome = outcome;
  }

  /** Newest first. */
  rows(): LastRouteRow[] {
    const inOrder = [...this.#slots.slice(this.#next), ...this.#slots.slice(0, this.#next)];
    return inOrder.reverse().flatMap((slot) => (slot.plan === undefined ? [] : [this.#row(slot, slot.plan)]));
  }

  #row(slot: Slot, plan: Plan): LastRouteRow {
    const target = plan.kind === 'one' ? plan.target : undefined;
    const { server } = slot;
    return {
      at: new Date(slot.atMs),
      client_id: slot.client,
      database: slot.database,
      target: target?.database,
      role: target === undefined || server === undefined ? target?.role : (this.#roleOf(target.database, server) ?? target.role),
      host: server === undefined ? undefined : `${server.identity.host}:${server.identity.port}`,
      why: plan.why,
      detail: plan.kind === 'reject' ? plan.message : plan.detail,
      statement: statementOf(slot.about),
      ms: slot.ms,
      outcome: slot.outcome === 'ok' || slot.outcome === 'refused' ? slot.outcome : 'error',
    };
  }
}

/** Of a long text the beginning is kept, and not the text with it. */
function shortened(about: ExchangeDone['about']): ExchangeDone['about'] {
  if (about === undefined) return undefined;
  const text = typeof about === 'string';
  if ((text ? about.length : about.body.length) <= KEPT_WHOLE) return about;
  const body = text ? Buffer.from(about.slice(0, KEPT_WHOLE), 'latin1') : about.body;
  return latin1(body, 0, KEPT_WHOLE);
}

function statementOf(about: ExchangeDone['about']): string {
  if (about === undefined) return '';
  const text = typeof about === 'string' ? about : latin1(about.body, 0, about.body.indexOf(0));
  return utf8OfLatin1(text).slice(0, STATEMENT_CHARACTERS);
}
