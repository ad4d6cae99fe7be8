//! Makes valid mappings to import: `make_mappings COUNT FOLDER` writes `FOLDER/mappings.cbor-seq` and `FOLDER/store.toml`,
//! whose database is `FOLDER/database`.
//!
//! Each mapping is of another number and has its two signatures: a prover's and a holder's; 1,000 holders take turns. They
//! are good for thirty days. Credentials are the same for the same number at the same time, and so are the files.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for measurements fails by panicking")]

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use protocol::authenticated::VerifiedMapping;
use protocol::cpi::Cpi;
use protocol::credential::{CpiCredential, DEFAULT_LIFETIME, Method};
use protocol::mapping::{Mapping, Reachability, State, Tags};
use protocol::mimi_uri::{Msp, Psi};
use protocol::{Signed, SigningKey, Timestamp};

const HOLDERS: u64 = 1000;
const PORTION: u64 = 20_000;
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [count, folder] = arguments.as_slice() else { panic!("usage: make_mappings COUNT FOLDER") };
    let (count, folder): (u64, _) = (count.parse().unwrap(), PathBuf::from(folder));
    std::fs::create_dir_all(&folder).unwrap();
    let prover = SigningKey::from_seed(&[9; 32]);
    let here = std::fs::canonicalize(&folder).unwrap();
    let settings = format!(
        "[listener]\naddress = '127.0.0.1:8444'\n\
         [store]\nprovider = 'dp.example'\nfolder = '{here}/database'\nhash_key_file = '{here}/hash.key'\n\
         receipt_key_file = '{here}/receipt.key'\n\
         [[store.prover]]\nname = 'prover.example'\nkeys = ['{key}']\nmethods = ['sms-otp']\n",
        here = here.display(),
        key = hex::encode(prover.public().as_bytes()),
    );
    std::fs::write(folder.join("store.toml"), settings).unwrap();
    let mut file = BufWriter::new(File::create(folder.join("mappings.cbor-seq")).unwrap());
    let now = Timestamp::from(SystemTime::now());
    let holders: Vec<_> = (0..HOLDERS).map(holder).collect();
    let start = Instant::now();
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    for from in (0..count).step_by(usize::try_from(PORTION).unwrap()) {
        let to = count.min(from + PORTION);
        let share = (to - from).div_ceil(cores);
        let (prover, holders) = (&prover, &holders);
        let shares: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..cores)
                .map(|core| {
                    let (first, last) = (from + core * share, to.min(from + (core + 1) * share));
                    scope.spawn(move || (first..last).flat_map(|n| mapping(n, prover, holders, now)).collect())
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        for share in shares {
            file.write_all(&share).unwrap();
        }
    }
    file.flush().unwrap();
    println!("{count} mappings in {:?}", start.elapsed());
}

fn holder(n: u64) -> SigningKey {
    let mut seed = [1; 32];
    seed[..8].copy_from_slice(&n.to_be_bytes());
    SigningKey::from_seed(&seed)
}

fn mapping(n: u64, prover: &SigningKey, holders: &[SigningKey], now: Timestamp) -> Vec<u8> {
    let user = &holders[usize::try_from(n % HOLDERS).unwrap()];
    let (msp, cpi) =
        (Msp::from_domain("a.example").unwrap(), Cpi::parse(&format!("tel:+4915{:09}", 100_000_000 + n)).unwrap());
    let mut id = [7; 16];
    id[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    let credential = CpiCredential {
        prover: "prover.example".to_owned(),
        cpi: cpi.clone(),
        msp: msp.clone(),
        user_key: user.public(),
        method: Method::SmsOtp,
        issued_at: now,
        expires_at: now.plus(DEFAULT_LIFETIME),
        id,
    };
    let credential = Signed::sign(credential, prover);
    let mapping = Mapping {
        cpi,
        reachability: Reachability::At { msp, psi: Some(Psi::parse(&format!("mimi://a.example/u/user{n}")).unwrap()) },
        tags: Tags::new(["Default"]).unwrap(),
        seq: 1,
        credential_hash: credential.hash(),
        fresh: false,
        state: State::Live,
        issued_at: now,
        expires_at: now.plus(LIFETIME),
    };
    VerifiedMapping::encode(&credential, &Signed::sign(mapping, user))
}
