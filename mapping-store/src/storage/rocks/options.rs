//! How RocksDB is set up, and what it says of itself.
//!
//! One bound holds for the memory ([`Memory`]): single records, then blocks, indexes, filters and write buffers, which count against
//! one cache. Records and stamps are read
//! one at a time, by keys that mostly exist (records) or mostly do not (stamps): both have bloom filters over whole keys,
//! and records a hash index in each block that leads to the one entry. A block of records is long enough for what their
//! documents have in common to be stored once for several of them. The log and the index of the sweep are scanned. Only synced writes are
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
const RECORD_BLOCK_BYTES: usize = 8 * 1024;
const STAMP_BLOCK_BYTES: usize = 4 * 1024;
/// Of a write buffer, this part is a bloom filter: a read need not walk the buffer for what is not in it.
const MEMTABLE_BLOOM_PART: f64 = 0.02;
const SCAN_BLOCK_BYTES: usize = 32 * 1024;
const HASH_INDEX_RATIO: f64 = 0.75;
const KEPT_LOG_FILES: usize = 4;
/// All tables stay open: no read looks one up. There is one for each 64 MiB.
const ALL_FILES: i32 = -1;
/// Of the memory, at most this part is write buffers.
const WRITE_BUFFER_PART: usize = 4;
/// The least that a write buffer takes: the five of them have to fit into a small cache's part.
const ARENA_BLOCK_BYTES: usize = 64 * 1024;
const MAX_WAL_BYTES: u64 = 256 * 1024 * 1024;

/// What the memory is for, in bytes.
pub(super) struct Memory {
    /// Single records.
    pub(super) records: usize,
    /// Blocks, indexes, filters and write buffers.
    pub(super) blocks: usize,
    /// Of it, write buffers at most.
    pub(super) write_buffers: usize,
}

impl Memory {
    /// Five eighths for single records: what is asked for often is worth more there than in blocks.
    pub(super) const fn of(bytes: usize) -> Self {
        let blocks = bytes / 8 * 3;
        Self { records: bytes - blocks, blocks, write_buffers: bytes / WRITE_BUFFER_PART }
    }
}

/// The options of the database and of its column families.
pub(super) fn all(memory: &Memory) -> (Options, Vec<ColumnFamilyDescriptor>) {
    let cache = Cache::new_hyper_clock_cache(memory.blocks, 0);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_keep_log_file_num(KEPT_LOG_FILES);
    options.set_max_open_files(ALL_FILES);
    options.set_paranoid_checks(true);
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(MAX_WAL_BYTES);
    options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager_with_cache(
        memory.write_buffers,
        false,
        cache.clone(),
    ));
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptTimers);
    let families = FAMILIES.map(|name| {
        let mut options = match name {
            RECORDS => records(&cache),
            STAMPS => point_lookups(blocks(&cache, STAMP_BLOCK_BYTES)),
            _ => scans(&cache),
        };
        options.set_arena_block_size(ARENA_BLOCK_BYTES);
        ColumnFamilyDescriptor::new(name, options)
    });
    (options, families.into())
}

fn records(cache: &Cache) -> Options {
    let mut blocks = blocks(cache, RECORD_BLOCK_BYTES);
    // Labels have nothing in common that could be left out, and an entry found by its hash is the only one read.
    blocks.set_block_restart_interval(1);
    point_lookups(blocks)
}

fn point_lookups(mut blocks: BlockBasedOptions) -> Options {
    blocks.set_bloom_filter(BLOOM_BITS, false);
    blocks.set_whole_key_filtering(true);
    blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    blocks.set_data_block_hash_ratio(HASH_INDEX_RATIO);
    let mut options = family(&blocks);
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_PART);
    options.set_memtable_whole_key_filtering(true);
    options
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
