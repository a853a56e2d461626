//! The machine that figures are of.

use serde::Serialize;
use std::fs::read_to_string;

/// What a figure depends on besides the program.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Cores this process may use.
    pub(crate) cores: usize,
    /// Processor, as it calls itself.
    pub(crate) model: String,
    /// Memory, MiB.
    pub(crate) memory_mib: u64,
    /// Operating system's kernel.
    pub(crate) kernel: String,
    /// How the program was built.
    pub(crate) profile: &'static str,
}

impl Machine {
    /// This one.
    pub(crate) fn this() -> Self {
        let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            model: field(&cpu, "model name").unwrap_or("unknown").to_owned(),
            memory_mib: field(&memory, "MemTotal").and_then(kibibytes).unwrap_or(0) / 1024,
            kernel: kernel.trim().to_owned(),
            profile: if cfg!(debug_assertions) { "dev (not what is shipped)" } else { "release" },
        }
    }
}

/// The value of a `name: value` line.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// A number of kibibytes as `/proc` writes it.
pub(crate) fn kibibytes(value: &str) -> Option<u64> {
    value.strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_proc_writes_them() {
        let text = "Name:\tloadtest\nVmHWM:\t  123456 kB\n";
        assert_eq!(field(text, "VmHWM").and_then(kibibytes), Some(123_456));
        assert_eq!(field(text, "VmPeak"), None);
    }
}
