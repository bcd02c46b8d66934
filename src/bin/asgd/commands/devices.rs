//! `asgd devices`

use anyhow::Result;
use asgd::gpu::{devices, kind};
use asgd::Gpu;
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Use the adapter whose name contains NAME.
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &DevicesArgs) -> Result<()> {
    let chosen = Gpu::new(args.adapter.as_deref())?;
    if args.json {
        let list: Vec<_> = devices()
            .iter()
            .map(|device| {
                json!({
                    "name": device.info.name,
                    "kind": kind(&device.info),
                    "backend": format!("{:?}", device.info.backend),
                    "driver": format!("{} {}", device.info.driver, device.info.driver_info),
                    "max_storage_buffer_binding_size": device.limits.max_storage_buffer_binding_size,
                    "max_buffer_size": device.limits.max_buffer_size,
                    "subgroup_sizes": [device.info.subgroup_min_size, device.info.subgroup_max_size],
                    "used": device.info == *chosen.info(),
                })
            })
            .collect();
        println!("{}", json!({ "devices": list }));
        return Ok(());
    }
    for device in devices() {
        let mark = if device.info == *chosen.info() { '*' } else { ' ' };
        println!("{mark} {} ({})", device.info.name, kind(&device.info));
        println!("    driver           {:?}, {} {}", device.info.backend, device.info.driver, device.info.driver_info);
        println!("    largest binding  {} MiB", device.limits.max_storage_buffer_binding_size >> 20);
        println!("    largest buffer   {} MiB", device.limits.max_buffer_size >> 20);
        println!("    subgroups        {} to {} lanes", device.info.subgroup_min_size, device.info.subgroup_max_size);
    }
    println!("Used (*): {}", chosen.describe());
    Ok(())
}
