/**
 * The client's frames → the server's: statement names become the shared ones, statements that this server lacks are prepared in front, and
 * for each frame that differs the answer owed is written down. Everything else goes as the client sent it, in as few pieces as possible.
 */

import { OWED, OWED_TO, type Owed, type OwedList, type OwedTo, renaming } from '../relay/owed.ts';
import { portalName, sendBind } from '../relay/send-bind.ts';
import { stalePlan } from '../relay/stale-plan.ts';
import { NAME_PREFIX, type Prepared } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import * as code from '../wire/codes.ts';
import { close, closeComplete, frame, ofStatement, parseComplete, sync } from '../wire/write.ts';
import { boundCount, standInFor, standInWith } from './failed-bind.ts';
import type { Moment } from './known-results.ts';
import type { Item, Part, Request } from './request.ts';
import type { Renamed } from './sql-names.ts';
import type { StatementNames } from './statements.ts';

const UNNAMED = Buffer.from([0]);
/** The rest of a Parse that no server takes. */
const REFUSED = Buffer.from('shardyard refused this statement\0\0\0');
/** A statement that lives for the moment. */
const PROBE = Buffer.from(`${NAME_PREFIX}probe\0`);

export interface TranslationOptions {
  /** Statements that a server keeps (max_prepared_statements). */
  readonly limit: number;
  /** Unnamed statements that come again are prepared under a name of ours. */
  readonly autoPrepare: boolean;
  readonly owed: OwedList | undefined;
  readonly renamed: Renamed | undefined;
  /** What the client is told of its statements was so then. */
  readonly moment: Moment | undefined;
}

/** An unnamed statement that is worth a name of ours: it has come before, and nothing can go wrong with it later that would not without. */
function isWorthAName(prepared: Prepared): boolean {
  return prepared.uses > 1 && prepared.shape.preparable;
}

/** Sends the requests of one exchange to one server. With an owed list every answer is accounted for; without one everything goes as it is. */
export class Translation {
  readonly #server: Server;
  readonly #names: StatementNames;
  readonly #limit: number;
  readonly #owed: OwedList | undefined;
  readonly #renamed: Renamed | undefined;
  readonly #autoPrepare: boolean;
  readonly #moment: Moment | undefined;
  /** Named statements whose portals were opened here. */
  #opened: Map<string, Prepared> | undefined;
  /** Something was executed, and may have begun a transaction. */
  #executes = false;
  #bytes: Buffer = UNNAMED;
  /** Up to where `#bytes` has been sent. */
  #from = 0;

  /** No `owed` list: every request to come is plain. */
  constructor(server: Server, names: StatementNames, { limit, autoPrepare, owed, renamed, moment }: TranslationOptions) {
    this.#server = server;
    this.#names = names;
    this.#limit = limit;
    this.#owed = owed;
    this.#renamed = renamed;
    this.#autoPrepare = autoPrepare;
    this.#moment = moment;
  }

  /** Can the request go as it is: no statement name, no unnamed statement that this server lacks? */
  static isPlain(request: Request, server: Server, names: StatementNames, autoPrepare: boolean): boolean {
    let unnamed = names.unnamed;
    let onServer = server.unnamed;
    for (const [at, item] of request.items.entries()) {
      if (item.target === code.TARGET_PORTAL || item.name === undefined) continue;
      // Only of a Parse that comes first is it known, without a list, whether an error left it undone.
      if (item.name !== '' || (item.type === code.PARSE && at > 0)) return false;
      if (autoPrepare && item.prepared !== undefined && isWorthAName(item.prepared)) return false;
      if (item.type === code.PARSE) unnamed = onServer = item.prepared;
      else if (item.type === code.CLOSE) return false;
      else if (unnamed === undefined || unnamed !== onServer) return false;
    }
    return true;
  }

  /** From item `at` on. */
  send({ items, bytes, length }: Part, at = 0): void {
    this.#bytes = bytes;
    this.#from = at === 0 ? 0 : items[at]!.start;
    for (let i = at; i < items.length; i++) this.#item(items[i]!);
    this.#flushTo(length);
  }

  /** A part that is refused: the server is made to fail in its place, and the client gets this error. */
  refuse(request: Request, error: Buffer): void {
    this.#failInPlace(error);
    const last = request.items.at(-1)?.type;
    if (last === code.SYNC || last === code.QUERY || last === code.FUNCTION_CALL) this.#server.send(sync);
  }

  /** The server is made to fail here, and passes over the rest of the request. */
  #failInPlace(error: Buffer): void {
    this.#server.send(frame(code.PARSE, [PROBE, REFUSED]));
    this.#owe({ to: 'parse', mendError: () => error });
  }

  /** The head of a Bind whose parameters stream, as far as it is there: [start, end) of `bytes`, of a frame of `length` bytes. */
  sendBindHead(item: Item, bytes: Buffer, end: number, length: number): void {
    const prepared = item.name === '' ? undefined : this.#names.named.get(item.name!);
    const statement = prepared?.name ?? Buffer.from(`${item.name}\0`, 'latin1');
    if (prepared !== undefined) this.#ensure(prepared);
    else if (item.name === '') this.#ensureUnnamed();
    const portal = portalName(item.portal!);
    const head = frame(code.BIND, [portal, statement, bytes.subarray(item.rest!, end)]);
    head.writeUInt32BE(length - 1 - (item.rest! - item.start - 5) + portal.length + statement.length, 1);
    this.#server.send(head);
    this.#owe({ to: 'bind' });
  }

  /** Sends what goes as it is, up to a place. */
  #flushTo(end: number): void {
    if (end > this.#from) this.#server.send(this.#bytes, this.#from, end);
    this.#from = end;
  }

  /** A Query destroys the unnamed statement, as in Postgres; a name in SQL that means a statement of the protocol becomes the shared one. */
  #query(item: Item): void {
    this.#names.unnamed = this.#server.unnamed = undefined;
    const renamed = this.#renamed;
    if (renamed === undefined) return;
    const { prepared, name, removes } = renamed;
    this.#flushTo(item.start);
    this.#from = item.end;
    this.#server.send(frame(code.QUERY, [Buffer.from(`${renamed.text}\0`, 'latin1')]));
    if (removes) {
      this.#names.named.delete(name);
      this.#server.prepared.delete(prepared);
    }
    const undo = (): void => {
      if (removes) this.#names.named.set(name, prepared);
    };
    this.#owe({ to: 'execute', mendError: renaming(prepared.name, name), undo });
  }

  #item(item: Item): void {
    if (item.type === code.QUERY) return this.#query(item);
    const to = OWED_TO[item.type];
    if (to === undefined) return;
    if (item.type === code.EXECUTE) this.#executes = true;
    if (item.target === code.TARGET_PORTAL && item.type === code.DESCRIBE) return this.#describePortal(this.#opened?.get(item.name!));
    if (item.name === undefined || item.target === code.TARGET_PORTAL) return this.#owe(OWED[to]);
    if (item.name === '') return this.#unnamed(item, to);
    const prepared = this.#names.named.get(item.name);
    // SQL's PREPARE has the name: the server says so.
    const taken = item.type === code.PARSE && this.#names.inSql.has(item.name);
    const ours = (item.type === code.PARSE && !taken) || prepared !== undefined || item.name.startsWith(NAME_PREFIX);
    if (!ours) return this.#asItIs(item, to);
    this.#flushTo(item.start);
    this.#from = item.end;
    if (item.type === code.PARSE) this.#parse(item);
    else if (prepared === undefined) this.#unknown(item, to);
    else if (item.type === code.CLOSE) this.#closeNamed(item.name, prepared);
    else this.#useNamed(item, prepared);
  }

  /** A name that the client never gave through the protocol, or that the server it holds has as it is: the server answers. */
  #asItIs({ type, name, prepared }: Item, to: OwedTo): void {
    const { inSql } = this.#names;
    if ((type !== code.PARSE && type !== code.CLOSE) || !inSql.has(name!)) return this.#owe(OWED[to]);
    const before = inSql.get(name!);
    inSql.set(name!, prepared);
    this.#owe({ to, undo: () => inSql.set(name!, before) });
  }

  /** A statement that has the client's own name on this server is prepared there anew; where that cannot be done, it stays what it is. */
  prepareAnew(name: string, { body }: Prepared): void {
    const own = Buffer.from(`${name}\0`, 'latin1');
    this.#own('parse', frame(code.PARSE, [PROBE, body]));
    for (const old of [PROBE, own]) this.#own('close', ofStatement(code.CLOSE, old));
    this.#own('parse', frame(code.PARSE, [own, body]));
  }

  /** The unnamed statement lives in the session, across Syncs: it is brought along when this server has another. */
  #unnamed(item: Item, to: OwedTo): void {
    const names = this.#names;
    const server = this.#server;
    const prepared = item.type === code.PARSE ? item.prepared : names.unnamed;
    if (this.#autoPrepare && this.#owed !== undefined && item.type !== code.CLOSE && prepared !== undefined && isWorthAName(prepared)) {
      return this.#unnamedByName(item, prepared);
    }
    if (item.type === code.PARSE) {
      const undo = this.#restoreUnnamed();
      if (prepared !== undefined) prepared.uses += 1;
      names.unnamed = server.unnamed = prepared;
      return this.#owe({ to, undo });
    }
    if (item.type !== code.CLOSE) {
      this.#ensureUnnamed(() => this.#flushTo(item.start), item.type === code.BIND ? item : undefined);
      return this.#owe(OWED[to]);
    }
    const undo = this.#restoreUnnamed();
    names.unnamed = server.unnamed = undefined;
    this.#owe({ to, undo });
  }

  /** The client's unnamed statement has a name of ours on servers. */
  #unnamedByName(item: Item, prepared: Prepared): void {
    this.#flushTo(item.start);
    this.#from = item.end;
    if (item.type !== code.PARSE) return this.#useNamed(item, prepared);
    const undo = this.#restoreUnnamed();
    this.#names.unnamed = prepared;
    this.#parseUnlessThere(prepared, undo);
  }

  /** A Parse that is refused takes the unnamed statement away; one that is passed over leaves it. */
  #restoreUnnamed(): (refused: boolean) => void {
    const [names, server] = [this.#names, this.#server];
    const [before, beforeOnServer] = [names.unnamed, server.unnamed];
    return (refused) => {
      names.unnamed = refused ? undefined : before;
      server.unnamed = refused ? undefined : beforeOnServer;
    };
  }

  #ensureUnnamed(cut: () => void = () => {}, bind?: Item): void {
    const wanted = this.#names.unnamed;
    const server = this.#server;
    if (wanted !== undefined && server.unnamed === wanted) return;
    cut();
    if (wanted !== undefined && bind !== undefined && this.#standsIn(bind, wanted)) return;
    // Without one of its own the client must get Postgres's error, not another client's statement.
    if (wanted === undefined) this.#own('close', close(code.TARGET_STATEMENT, ''));
    else {
      this.#own('parse', frame(code.PARSE, [UNNAMED, wanted.body]), () => {
        server.unnamed = undefined;
      });
    }
    server.unnamed = wanted;
  }

  /** For a Bind that must fail the unnamed statement comes to stand in for one that the server lacks: it fails in its own words then. */
  #standsIn({ rest, end }: Item, prepared: Prepared): boolean {
    const server = this.#server;
    const bound = boundCount(this.#bytes, rest!, end);
    let body: Buffer | undefined;
    if (server.status === code.STATUS_FAILED && !this.#executes) body = standInFor(prepared, bound);
    else if (this.#names.results.isChanged(prepared)) {
      const count = this.#names.results.parameters(prepared);
      // That is said before anything is said of columns.
      if (count !== undefined && count !== bound) body = standInWith(count);
    }
    if (body === undefined) return false;
    const before = server.unnamed;
    server.unnamed = undefined;
    this.#own('parse', frame(code.PARSE, [UNNAMED, body]), (refused) => {
      if (!refused) server.unnamed = before;
    });
    return true;
  }

  #parse(item: Item): void {
    const name = item.name!;
    const prepared = item.prepared!;
    const existing = this.#names.named.get(name);
    if (existing !== undefined) return this.#parseAgain(name, existing, this.#bytes.subarray(item.rest!, item.end));
    this.#names.named.set(name, prepared);
    const undo = () => {
      if (this.#names.named.get(name) === prepared) this.#names.named.delete(name);
    };
    this.#parseUnlessThere(prepared, undo);
  }

  #parseUnlessThere(prepared: Prepared, undo: (refused: boolean) => void): void {
    if (this.#server.prepared.use(prepared)) {
      if (this.#server.status !== code.STATUS_FAILED) return this.#owe({ to: 'nothing', give: parseComplete, undo });
      // In a failed transaction most statements are refused, and only the server knows which: it is asked in earnest.
      this.#server.send(frame(code.PARSE, [PROBE, prepared.body]));
      this.#owe({ to: 'parse', undo });
      return this.#own('close', ofStatement(code.CLOSE, PROBE));
    }
    this.#prepare(prepared, undo, false);
  }

  /** The name is taken. Only the server can say in which order its complaints come, so it is made to refuse, and the name is put right. */
  #parseAgain(name: string, existing: Prepared, body: Buffer): void {
    const there = this.#server.prepared.any() ?? existing;
    this.#ensure(there);
    this.#server.send(frame(code.PARSE, [there.name, body]));
    this.#owe({
      to: 'parse',
      mendError: renaming(there.name, name),
    });
  }

  #describePortal(prepared: Prepared | undefined): void {
    this.#owe({ to: 'describe', sees: this.#learner(prepared, false) });
  }

  #learner(prepared: Prepared | undefined, ofStatement: boolean): Owed['sees'] {
    if (prepared === undefined || this.#moment === undefined) return undefined;
    return this.#names.results.learner(prepared, this.#moment, ofStatement);
  }

  #opens(portal: string, prepared: Prepared): void {
    this.#opened ??= new Map();
    this.#opened.set(portal, prepared);
  }

  #useNamed(item: Item, prepared: Prepared): void {
    const { results } = this.#names;
    if (item.type === code.BIND) {
      const lacks = !this.#server.prepared.has(prepared);
      if (lacks && this.#standsIn(item, prepared)) return this.#bind(item, UNNAMED);
      if (lacks && results.isChanged(prepared)) return this.#failInPlace(stalePlan);
      if (item.name !== '') this.#opens(item.portal!, prepared);
    }
    this.#ensure(prepared);
    if (item.type === code.BIND) this.#bind(item, prepared.name);
    else {
      this.#server.send(ofStatement(code.DESCRIBE, prepared.name));
      const sees = this.#learner(item.name === '' ? undefined : prepared, true);
      this.#owe({ to: 'describe', mendError: renaming(prepared.name, item.name!), sees });
    }
  }

  #bind(item: Item, statement: Buffer): void {
    sendBind(this.#server, item.portal!, statement, this.#bytes, item.rest!, item.end);
    this.#owe({ to: 'bind', mendError: renaming(statement, item.name!) });
  }

  /** The statement stays on the server for others; only the client's name for it goes. */
  #closeNamed(name: string, prepared: Prepared): void {
    this.#names.named.delete(name);
    this.#owe({ to: 'nothing', give: closeComplete, undo: () => this.#names.named.set(name, prepared) });
  }

  /** A name of the shape that we give on servers, but not one of this client's: it must not find another client's statement. */
  #unknown(item: Item, to: OwedTo): void {
    const name = Buffer.from(`_${item.name}\0`, 'latin1');
    if (item.type === code.BIND) sendBind(this.#server, item.portal!, name, this.#bytes, item.rest!, item.end);
    else this.#server.send(ofStatement(item.type, name));
    this.#owe({ to, mendError: renaming(name, item.name!) });
  }

  /** Prepares a statement on this server in front of its use, unless it is there. */
  #ensure(prepared: Prepared): void {
    if (!this.#server.prepared.use(prepared)) this.#prepare(prepared, () => {}, true);
  }

  #prepare(prepared: Prepared, undo: (refused: boolean) => void, absorb: boolean): void {
    const set = this.#server.prepared;
    set.add(prepared);
    this.#server.send(frame(code.PARSE, [prepared.name, prepared.body]));
    this.#owe({
      to: 'parse',
      absorb,
      undo: (refused) => {
        set.delete(prepared);
        undo(refused);
      },
    });
    // In a transaction nothing is taken away: should it fail, nothing could be put back.
    if (this.#server.status === code.STATUS_IDLE && !this.#executes) this.#makeRoom(prepared);
  }

  #makeRoom(kept: Prepared): void {
    const set = this.#server.prepared;
    for (let old = set.excess(this.#limit); old !== undefined && old !== kept; old = set.excess(this.#limit)) this.#evict(old);
  }

  #evict(old: Prepared): void {
    const set = this.#server.prepared;
    set.delete(old);
    this.#server.send(ofStatement(code.CLOSE, old.name));
    this.#owe({ to: 'close', absorb: true, undo: () => set.putBack(old) });
  }

  /** In the middle of an exchange a statement comes to be here under the client's own name (latin1), for SQL to find it. */
  prepareAs(name: string, { body }: Prepared, undo: () => void): void {
    this.#own('parse', frame(code.PARSE, [Buffer.from(`${name}\0`, 'latin1'), body]), undo);
  }

  /** The client looks at what is prepared in the middle of an exchange: what others have prepared is not for it to see. */
  hideOthers(): void {
    if (this.#owed === undefined || this.#server.status === code.STATUS_FAILED) return;
    const own = new Set(this.#names.named.values());
    for (const prepared of this.#server.prepared.all()) if (!own.has(prepared)) this.#evict(prepared);
  }

  /** A frame of ours, its answer absorbed. */
  #own(to: OwedTo, bytes: Buffer, undo: (refused: boolean) => void = () => {}): void {
    this.#server.send(bytes);
    this.#owe({ to, absorb: true, undo });
  }

  #owe(owed: Owed): void {
    this.#owed?.push(owed);
  }
}
