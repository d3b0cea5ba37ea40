/** The columns of SHOW PIPELINE, all of them ours: what the queries of several clients on one server connection have come to, for each pool. */
import { type Column, columnsOf } from './reply.ts';
import type { PipelineRow } from './view.ts';

const pipeline = columnsOf<PipelineRow>();

export const PIPELINE: readonly Column<PipelineRow>[] = [
  pipeline.text('database'),
  pipeline.text('user'),
  pipeline.text('host'),
  pipeline.text('pipeline'),
  pipeline.int4('pipeline_width'),
  pipeline.int4('pipeline_depth'),
  pipeline.int4('servers'),
  pipeline.int4('depth'),
  pipeline.int4('max_depth'),
  pipeline.int8('shared', (row) => row.shared),
  pipeline.int8('exclusive', (row) => row.exclusive),
  pipeline.int8('resent_lost', (row) => row.resent_lost),
  pipeline.int8('resent_slow', (row) => row.resent_slow),
  pipeline.int8('resent_canceled', (row) => row.resent_canceled),
  pipeline.int8('resent_stale', (row) => row.resent_stale),
  pipeline.int8('wasted', (row) => row.wasted),
];
