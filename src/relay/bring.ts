/**
 * What must come before a client's exchange on a server: the session's settings where the server carries others, and what was held back.
 * All of it travels in the same write. If the server refuses any of it, what follows must not count: the client gets that error instead.
 */
import { InternalExchange } from '../server/exchange.ts';
import type { Prepared } from '../server/prepared.ts';
import type { Server } from '../server/server.ts';
import { type Label, replayFrames, withoutIdentity } from '../server/settings.ts';
import { PARSE, STATUS_IDLE } from '../wire/codes.ts';
import { frame, sync } from '../wire/write.ts';
import type { ClientExchange } from './exchange.ts';

/** `label`: the settings that must hold; undefined where the server is held and carries what the session did to it. */
export function bring(server: Server, exchange: ClientExchange, label: Label | undefined, heldBack: readonly Buffer[]): void {
  for (const frames of lacking(server, label)) inFront(server, exchange, frames);
  for (const frame of heldBack) inFront(server, exchange, frame);
}

/** The replay that gives a server the label, if it needs one; it has it from then on. */
function lacking(server: Server, label: Label | undefined): readonly Buffer[] {
  if (label === undefined || (server.label === label && withoutIdentity(label) === label)) return [];
  const frames = replayFrames(server.label === label ? withoutIdentity(label) : server.label, label, server.base);
  server.label = label;
  return [frames];
}

/** Settings and what was held back go to a server alone; `done` is told when all of it is answered, and whether it was taken. */
export function bringAlone(server: Server, label: Label, heldBack: readonly Buffer[], done: (ok: boolean) => void): void {
  const all = [...lacking(server, label), ...heldBack];
  let left = all.length;
  let ok = true;
  if (left === 0) return done(true);
  for (const frames of all) {
    server.enqueue(
      new InternalExchange((_, outcome) => {
        left -= 1;
        ok &&= outcome.ok;
        if (left === 0) done(ok);
      }),
    );
    server.send(frames);
  }
  server.unnamed = undefined;
}

/** A statement that the exchange's SQL names is prepared in front of it, unless the server has it. */
export function prepareFirst(server: Server, exchange: ClientExchange, prepared: Prepared): void {
  if (server.prepared.use(prepared)) return;
  server.prepared.add(prepared);
  inFront(server, exchange, Buffer.concat([frame(PARSE, [prepared.name, prepared.body]), sync]));
}

/** A statement that comes to be on a server under the client's own name (latin1). */
interface Named {
  readonly name: string;
  readonly prepared: Prepared;
  /** It did not. */
  readonly undo: () => void;
}

/** For SQL to find it. */
export function prepareAs(server: Server, exchange: ClientExchange, { name, prepared, undo }: Named): void {
  inFront(server, exchange, Buffer.concat([frame(PARSE, [Buffer.from(`${name}\0`, 'latin1'), prepared.body]), sync]), { undo });
}

/** The server is asked something in front of the exchange; `row` sees each whole frame of the answer. */
export function askFirst(server: Server, exchange: ClientExchange, frames: Buffer, row: FrameReader): void {
  inFront(server, exchange, frames, { row });
}

type FrameReader = (chunk: Buffer, start: number, end: number) => void;

/** What else there is to do with the answer: read it, or undo something when it is an error. */
interface Reading {
  readonly row?: FrameReader;
  readonly undo?: () => void;
}

function inFront(server: Server, exchange: ClientExchange, frames: Buffer, { row, undo }: Reading = {}): void {
  const isNew = server.status === STATUS_IDLE;
  server.unnamed = undefined;
  server.enqueue(
    new InternalExchange((_, outcome) => {
      if (outcome.ok) return exchange.pump(server);
      undo?.();
      // Where the server was new to the session its block is ours alone; else the client's own transaction has failed with it.
      if (isNew) server.label = undefined;
      if (outcome.error !== undefined) exchange.answerInstead(outcome.error, isNew);
    }, row),
  );
  server.send(frames);
}
