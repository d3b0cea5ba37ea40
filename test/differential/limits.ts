/**
 * What is known not to be exact and is documented as such (docs/exactness.md, which names each): scripts leave it out unless told otherwise,
 * so that a campaign without findings means something. An entry goes when its cause does.
 */

export interface Limit {
  readonly name: string;
  /** Statements that the limit is about. */
  readonly statements: RegExp;
}

export const LIMITS: readonly Limit[] = [];
