//! What the system tells of this process, under the names that all of Prometheus' libraries use. Where
//! there is no `/proc`, nothing is told.

use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process};

use super::text::{Kind, Text};

/// Writes it. Reads a few small files of the kernel.
pub fn write(text: &mut Text) {
    let Ok(process) = Process::myself() else {
        return;
    };
    if let Ok(stat) = process.stat() {
        let ticks = procfs::ticks_per_second().max(1);
        let cpu = stat.utime + stat.stime;
        for (name, help, kind, value) in [
            (
                "process_cpu_seconds_total",
                "Processor time used, in seconds.",
                Kind::Counter,
                format!("{}.{:02}", cpu / ticks, cpu % ticks * 100 / ticks),
            ),
            (
                "process_resident_memory_bytes",
                "Memory that is resident, files that are mapped included.",
                Kind::Gauge,
                stat.rss_bytes().get().to_string(),
            ),
            (
                "process_virtual_memory_bytes",
                "Addresses in use; most of them are the reserve for the pack to grow.",
                Kind::Gauge,
                stat.vsize.to_string(),
            ),
            (
                "process_threads",
                "Threads.",
                Kind::Gauge,
                stat.num_threads.to_string(),
            ),
        ] {
            text.single(name, help, kind, value);
        }
    }
    if let Ok(fds) = process.fd_count() {
        text.single(
            "process_open_fds",
            "Open file descriptors.",
            Kind::Gauge,
            fds,
        );
    }
    if let Ok(limits) = process.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        text.single(
            "process_max_fds",
            "File descriptors that may be open.",
            Kind::Gauge,
            most,
        );
    }
    if let Ok(status) = process.status()
        && let Some(kib) = status.rssanon
    {
        text.single(
            "packhold_anonymous_memory_bytes",
            "Memory that is resident and no file's: what the process itself takes.",
            Kind::Gauge,
            kib * 1024,
        );
    }
}
