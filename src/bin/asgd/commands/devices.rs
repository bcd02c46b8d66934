//! `asgd devices`

use anyhow::Result;
use asgd::Device;
use clap::Args;
use serde_json::json;

use crate::console::print_line;

#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Use the device whose name contains NAME.
    #[arg(long, visible_alias = "adapter", value_name = "NAME")]
    pub device: Option<String>,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &DevicesArgs) -> Result<()> {
    let chosen = Device::open(args.device.as_deref())?;
    let list = Device::list();
    if args.json {
        let described = list.iter().map(|(info, limits)| {
            let mut device = json!(info);
            device["driver"] = json!(format!("{} {}", info.driver, info.driver_info));
            if let Some(limits) = limits {
                device["max_storage_buffer_binding_size"] = json!(limits.max_storage_buffer_binding_size);
                device["max_buffer_size"] = json!(limits.max_buffer_size);
                device["subgroup_sizes"] = json!(limits.subgroup_sizes);
            }
            device["used"] = json!(*info == chosen.info());
            device
        });
        return print_line(&json!({ "devices": described.collect::<Vec<_>>() }).to_string());
    }
    for (info, limits) in &list {
        let mark = if *info == chosen.info() { '*' } else { ' ' };
        print_line(&format!("{mark} {} ({})", info.name, info.kind))?;
        print_line(&format!("    driver           {}, {} {}", info.backend, info.driver, info.driver_info))?;
        let Some(limits) = limits else { continue };
        print_line(&format!("    largest binding  {} MiB", limits.max_storage_buffer_binding_size >> 20))?;
        print_line(&format!("    largest buffer   {} MiB", limits.max_buffer_size >> 20))?;
        let [fewest, most] = limits.subgroup_sizes;
        print_line(&format!("    subgroups        {fewest} to {most} lanes"))?;
    }
    print_line(&format!("Used (*): {}", chosen.describe()))
}
