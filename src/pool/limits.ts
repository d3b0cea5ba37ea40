/**
 * How many server connections a database entry and a user may have over all their pools (max_db_connections, max_user_connections).
 * A pool asks before it opens one; when a budget is spent, the oldest idle connection of another pool in the same budget is given up for it.
 */

/** What a budget needs from a pool. */
export interface BudgetMember {
  /** Since when its longest idle connection has been idle; undefined when none is. */
  oldestIdleMs(): number | undefined;
  closeOldestIdle(reason: string): void;
}

export class Budget {
  readonly #max: () => number;
  readonly #members = new Set<BudgetMember>();
  #used = 0;

  /** `max` is asked each time, so that a reload is obeyed at once; 0 means no limit. */
  constructor(max: () => number) {
    this.#max = max;
  }

  get used(): number {
    return this.#used;
  }

  get full(): boolean {
    const max = this.#max();
    return max > 0 && this.#used >= max;
  }

  join(member: BudgetMember): void {
    this.#members.add(member);
  }

  leave(member: BudgetMember): void {
    this.#members.delete(member);
  }

  take(): void {
    this.#used += 1;
  }

  give(): void {
    this.#used -= 1;
  }

  /** Frees one place by closing the longest idle connection of another member; false when nobody has one. */
  evictFor(asking: BudgetMember): boolean {
    let victim: BudgetMember | undefined;
    let oldest = Number.POSITIVE_INFINITY;
    for (const member of this.#members) {
      const since = member === asking ? undefined : member.oldestIdleMs();
      if (since !== undefined && since < oldest) [victim, oldest] = [member, since];
    }
    victim?.closeOldestIdle('evicted');
    return victim !== undefined;
  }
}
