//! How RocksDB is set up, and what it says of itself.
//!
//! One cache bounds the memory: blocks, indexes, filters and write buffers all count against it. Records and stamps are read
//! one at a time, by keys that mostly exist (records) or mostly do not (stamps): both have bloom filters over whole keys,
//! and records a hash index in each block. The log and the index of the sweep are scanned. Only synced writes are
//! acknowledged, so a torn tail of the write-ahead log is nobody's loss; damage anywhere else stops the opening.

use rocksdb::statistics::{StatsLevel, Ticker};
use rocksdb::{
    BlockBasedOptions, BlockBasedTablePinningTier, Cache, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRecoveryMode, DataBlockIndexType, Options, WriteBufferManager, properties,
};

use super::super::Figures;

pub(super) const RECORDS: &str = "records";
pub(super) const LOG: &str = "log";
pub(super) const STAMPS: &str = "stamps";
pub(super) const DUE: &str = "due";
pub(super) const META: &str = "meta";
pub(super) const FAMILIES: [&str; 5] = [RECORDS, LOG, STAMPS, DUE, META];

const BLOOM_BITS: f64 = 10.0;
const POINT_BLOCK_BYTES: usize = 4 * 1024;
const SCAN_BLOCK_BYTES: usize = 32 * 1024;
const HASH_INDEX_RATIO: f64 = 0.75;
const KEPT_LOG_FILES: usize = 4;
const MAX_OPEN_FILES: i32 = 1024;
/// Of the cache, at most this part is write buffers.
const WRITE_BUFFER_PART: usize = 4;
/// The least that a write buffer takes: the five of them have to fit into a small cache's part.
const ARENA_BLOCK_BYTES: usize = 64 * 1024;
const MAX_WAL_BYTES: u64 = 256 * 1024 * 1024;

/// The options of the database and of its column families.
pub(super) fn all(cache_bytes: usize) -> (Options, Vec<ColumnFamilyDescriptor>) {
    let cache = Cache::new_hyper_clock_cache(cache_bytes, 0);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_keep_log_file_num(KEPT_LOG_FILES);
    options.set_max_open_files(MAX_OPEN_FILES);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(MAX_WAL_BYTES);
    options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager_with_cache(
        cache_bytes / WRITE_BUFFER_PART,
        false,
        cache.clone(),
    ));
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptTimers);
    let families = FAMILIES.map(|name| {
        let mut options = match name {
            RECORDS | STAMPS => point_lookups(&cache),
            _ => scans(&cache),
        };
        options.set_arena_block_size(ARENA_BLOCK_BYTES);
        ColumnFamilyDescriptor::new(name, options)
    });
    (options, families.into())
}

fn point_lookups(cache: &Cache) -> Options {
    let mut blocks = blocks(cache, POINT_BLOCK_BYTES);
    blocks.set_bloom_filter(BLOOM_BITS, false);
    blocks.set_whole_key_filtering(true);
    blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    blocks.set_data_block_hash_ratio(HASH_INDEX_RATIO);
    family(&blocks)
}

fn scans(cache: &Cache) -> Options {
    family(&blocks(cache, SCAN_BLOCK_BYTES))
}

fn blocks(cache: &Cache, block_bytes: usize) -> BlockBasedOptions {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_block_size(block_bytes);
    blocks.set_cache_index_and_filter_blocks(true);
    // Charged to the cache, and never looked up in it: some three octets for each record.
    blocks.set_unpartitioned_pinning_tier(BlockBasedTablePinningTier::All);
    blocks.set_format_version(6);
    blocks
}

fn family(blocks: &BlockBasedOptions) -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

/// What RocksDB says of its cache, memory and disk.
pub(super) fn figures(db: &DB, options: &Options) -> Figures {
    let sum = |name: &properties::PropName| {
        let each =
            |family| db.cf_handle(family).and_then(|family| db.property_int_value_cf(family, name).ok().flatten());
        FAMILIES.into_iter().filter_map(each).sum::<u64>()
    };
    let of = |family, name: &properties::PropName| {
        db.cf_handle(family).and_then(|family| db.property_int_value_cf(family, name).ok().flatten()).unwrap_or(0)
    };
    Figures {
        cache_hits: options.get_ticker_count(Ticker::BlockCacheHit),
        cache_misses: options.get_ticker_count(Ticker::BlockCacheMiss),
        // The cache is one for all families; write buffers, indexes and filters are charged to it.
        memory_bytes: of(RECORDS, properties::BLOCK_CACHE_USAGE) + sum(properties::ESTIMATE_TABLE_READERS_MEM),
        disk_bytes: sum(properties::TOTAL_SST_FILES_SIZE),
        records: of(RECORDS, properties::ESTIMATE_NUM_KEYS),
    }
}
