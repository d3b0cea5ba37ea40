/**
 * What audits have found that no text had shown, for SHOW STATE_AUDIT: one row for each place (database, user, kind, name, what came before)
 * with how often and when. The place that was found longest ago gives way to a new one.
 */
import type { AuditRow } from './admin/view.ts';
import type { Finding } from './client/place.ts';

const KEPT = 500;

interface Seen {
  readonly by: AuditRow['found_by'];
  readonly database: string;
  readonly user: string;
  readonly finding: Finding;
  count: number;
  lastMs: number;
}

export class AuditFindings {
  readonly #seen = new Map<string, Seen>();

  add(by: Seen['by'], { database, user }: { readonly database: string; readonly user: string }, finding: Finding): void {
    const key = JSON.stringify([by, database, user, finding.kind, finding.name, finding.after]);
    const seen = this.#seen.get(key) ?? { by, database, user, finding, count: 0, lastMs: 0 };
    seen.count += 1;
    seen.lastMs = Date.now();
    // Last found, last in the map.
    this.#seen.delete(key);
    this.#seen.set(key, seen);
    if (this.#seen.size > KEPT) this.#seen.delete(this.#seen.keys().next().value!);
  }

  /** What was found last comes first. */
  rows(): AuditRow[] {
    return [...this.#seen.values()].reverse().map(({ by, database, user, finding, count, lastMs }) => ({
      found_by: by,
      database,
      user,
      kind: finding.kind,
      name: finding.name,
      after: finding.after,
      count,
      last: new Date(lastMs),
    }));
  }
}
