//! `asgd devices`

use anyhow::Result;
use asgd::{Device, DeviceDescription};
use clap::Args;
use serde_json::json;

use crate::console::print_line;
use crate::device_args::DeviceArgs;

#[derive(Debug, Args)]
pub struct DevicesArgs {
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(args: &DevicesArgs) -> Result<()> {
    let chosen = args.device.open()?;
    let list = Device::list();
    if args.json {
        let described = list.iter().map(|DeviceDescription { info, properties }| {
            let mut device = json!(info);
            for (name, value) in properties {
                device[name.replace(' ', "_")] = json!(value);
            }
            device["used"] = json!(*info == chosen.info());
            device
        });
        return print_line(&json!({ "devices": described.collect::<Vec<_>>() }).to_string());
    }
    for DeviceDescription { info, properties } in &list {
        let mark = if *info == chosen.info() { '*' } else { ' ' };
        print_line(&format!("{mark} {} ({})", info.name, info.kind))?;
        if !info.driver.is_empty() {
            print_line(&format!("    {:<16} {}, {} {}", "driver", info.backend, info.driver, info.driver_info))?;
        }
        for (name, value) in properties {
            print_line(&format!("    {name:<16} {value}"))?;
        }
    }
    print_line(&format!("Used (*): {}", chosen.describe()))
}
