/**
 * The relations that every Postgres database has by itself: which names mean them, and which of them say the same on a replica;
 * and the functions that tell of a server as those relations do. Data, from PostgreSQL 15 to 18. `demand.ts` and `reads.ts` ask it.
 *
 * An unqualified name can mean a system relation because pg_catalog is searched first; anything else of that name is not asked for here.
 */
import type { FunctionName, Relation } from './facts.ts';

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Tables, and views over nothing but those tables: streamed to replicas, so a replica answers as the primary does. */
const replicated = words(`
  pg_aggregate pg_am pg_amop pg_amproc pg_attrdef pg_attribute pg_auth_members pg_authid pg_cast pg_class pg_collation pg_constraint
  pg_conversion pg_database pg_db_role_setting pg_default_acl pg_depend pg_description pg_enum pg_event_trigger pg_extension
  pg_foreign_data_wrapper pg_foreign_server pg_foreign_table pg_index pg_inherits pg_init_privs pg_language pg_largeobject
  pg_largeobject_metadata pg_namespace pg_opclass pg_operator pg_opfamily pg_parameter_acl pg_partitioned_table pg_policy pg_proc
  pg_publication pg_publication_namespace pg_publication_rel pg_range pg_rewrite pg_seclabel pg_sequence pg_shdepend pg_shdescription
  pg_shseclabel pg_statistic pg_statistic_ext pg_statistic_ext_data pg_subscription pg_subscription_rel pg_tablespace pg_transform
  pg_trigger pg_ts_config pg_ts_config_map pg_ts_dict pg_ts_parser pg_ts_template pg_type pg_user_mapping
  pg_group pg_indexes pg_matviews pg_policies pg_publication_tables pg_roles pg_rules pg_seclabels pg_shadow pg_stats pg_stats_ext
  pg_stats_ext_exprs pg_tables pg_user pg_user_mappings pg_views
`);

/** Views that describe the host, the server process or the session, besides pg_stat_* and pg_statio_*. */
const ofTheHost = words(`
  pg_aios pg_available_extension_versions pg_available_extensions pg_backend_memory_contexts pg_config pg_cursors pg_dsm_registry_allocations
  pg_file_settings pg_hba_file_rules pg_ident_file_mappings pg_locks pg_prepared_statements pg_prepared_xacts pg_replication_origin
  pg_replication_origin_status pg_replication_slots pg_sequences pg_settings pg_shmem_allocations pg_shmem_allocations_numa
  pg_timezone_abbrevs pg_timezone_names pg_wait_events
`);

/** Built-in functions that tell of the session, the server or the catalogs, and touch no row of a table. */
const describing = words(`
  current_query current_setting currval inet_client_addr inet_client_port inet_server_addr inet_server_port lastval
  pg_backend_pid pg_blocking_pids pg_collation_actual_version pg_conf_load_time pg_current_snapshot pg_current_xact_id
  pg_current_xact_id_if_assigned pg_database_collation_actual_version pg_database_size pg_get_publication_tables pg_indexes_size
  pg_is_in_recovery pg_is_other_temp_schema pg_jit_available pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp
  pg_current_wal_lsn pg_listening_channels pg_my_temp_schema pg_partition_ancestors pg_partition_tree pg_postmaster_start_time
  pg_relation_filenode pg_relation_filepath pg_relation_size pg_sequence_last_value pg_show_all_settings pg_sleep pg_sleep_for
  pg_sleep_until pg_statistics_obj_is_visible pg_table_size pg_tablespace_databases pg_tablespace_location pg_tablespace_size
  pg_total_relation_size set_config setseed txid_current txid_current_if_assigned txid_current_snapshot
`);

const statistics = /^pg_stat(io)?_(?!statements)/;

/** A schema that belongs to Postgres (pg_catalog, pg_toast, pg_temp_3, information_schema): tables declared without a schema are not in it. */
export const isSystemSchema = (schema: string): boolean => schema === 'information_schema' || schema.startsWith('pg_');

/** Whether a relation is one of Postgres's own: pg_catalog.x, information_schema.x, or a bare name that pg_catalog has. */
export const isSystemRelation = ({ schema, name }: Relation): boolean =>
  schema === undefined
    ? replicated.has(name) || ofTheHost.has(name) || statistics.test(name)
    : schema === 'pg_catalog' || schema === 'information_schema';

/** Whether a replica answers for a system relation just as the primary does; false for all that is not listed. */
export const isReplicatedCatalog = (relation: Relation): boolean =>
  isSystemRelation(relation) && (relation.schema === 'information_schema' || replicated.has(relation.name));

/** Whether a function is one of Postgres's own and concerns the session or describes one server: it answers for the shard it runs on. */
export const isDescribing = ({ schema, name }: FunctionName): boolean =>
  (schema === undefined || schema === 'pg_catalog') && (describing.has(name) || name.startsWith('pg_stat_get_'));
