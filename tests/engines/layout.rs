//! What needs no adapter: every shader is valid exactly as it is composed, and Rust's structs are laid out as
//! WGSL's.

use std::mem::{offset_of, size_of};

use asgd::Rule;
use asgd::gpu::kernels::{ALL, Access, FILES, Kernel, UPDATE};
use asgd::gpu::layout::{Batch, InputFormat, Layer, MAX_LAYERS, Network, ReplicaColumns};
use naga::valid::{Capabilities, GlobalUse, ModuleInfo, ValidationFlags, Validator};

const FORMATS: [InputFormat; 3] = [InputFormat::U8, InputFormat::F32, InputFormat::ScaledU8];

fn validate(kernel: &Kernel, format: InputFormat) -> Result<(naga::Module, ModuleInfo), String> {
    let source = kernel.source(format);
    let module = naga::front::wgsl::parse_str(&source).map_err(|error| error.emit_to_string(&source))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    let info = validator.validate(&module).map_err(|error| error.emit_to_string(&source))?;
    Ok((module, info))
}

#[test]
fn every_shader_is_valid_as_composed() {
    let mut failures = Vec::new();
    for kernel in ALL {
        for format in FORMATS {
            if let Err(error) = validate(kernel, format) {
                failures.push(format!("{} {format:?}: {error}", kernel.entry));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every file of shaders/ is embedded, says in its first line what it uses, and is used.
#[test]
fn every_file_says_what_it_uses() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, FILES.map(|(name, _)| name));
    let composed: Vec<String> = ALL.iter().flat_map(|kernel| FORMATS.map(|format| kernel.source(format))).collect();
    for (name, text) in FILES {
        let used = text.lines().next().unwrap().strip_prefix("// Uses: ").expect(name);
        assert!(
            used.split(", ")
                .all(|used| ["nothing", "inputs", "stored"].contains(&used) || names.contains(&used.to_string()))
        );
        assert!(composed.iter().any(|source| source.contains(text)), "{name} is part of no kernel");
    }
}

/// The bindings that a kernel lists are those that its entry point uses, with the same access, within WebGPU's
/// default limits.
#[test]
fn listed_bindings_are_those_in_use() {
    for kernel in ALL {
        for format in FORMATS {
            let (module, info) = validate(kernel, format).unwrap();
            let index = module.entry_points.iter().position(|point| point.name == kernel.entry).unwrap();
            let mut used: Vec<(u32, Access)> = Vec::new();
            for (handle, variable) in module.global_variables.iter() {
                let Some(binding) = &variable.binding else { continue };
                let usage = info.get_entry_point(index)[handle];
                if usage.is_empty() {
                    continue;
                }
                let access = match variable.space {
                    naga::AddressSpace::Uniform if binding.binding == 0 => Access::Uniform,
                    naga::AddressSpace::Uniform => Access::Batch,
                    naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                        if usage.contains(GlobalUse::WRITE) { Access::Write } else { Access::Keep }
                    }
                    _ => Access::Read,
                };
                used.push((binding.binding, access));
            }
            used.sort_by_key(|(binding, _)| *binding);
            let listed: Vec<_> = kernel.bindings().filter(|listed| listed.0 > 1 || used.contains(listed)).collect();
            assert_eq!(used, listed, "{} {format:?}", kernel.entry);
            assert!(kernel.storage.len() <= 8, "{}: more storage buffers than WebGPU allows by default", kernel.entry);
            let size = module.entry_points[index].workgroup_size;
            assert!(size[0] * size[1] * size[2] <= 256, "{}: {size:?} invocations", kernel.entry);
            let shared = module.global_variables.iter().filter(|(handle, variable)| {
                let is_used = !info.get_entry_point(index)[*handle].is_empty();
                variable.space == naga::AddressSpace::WorkGroup && is_used
            });
            let bytes: u32 = shared.map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx())).sum();
            // step.wgsl is chosen only where the adapter has what it takes.
            let limit = if kernel.file == "step" { 32 << 10 } else { 16 << 10 };
            assert!(bytes <= limit, "{}: {bytes} bytes of workgroup memory", kernel.entry);
        }
    }
}

/// Offsets of a struct's members in WGSL, and its size.
fn wgsl_layout(module: &naga::Module, name: &str) -> (Vec<(String, u32)>, u32) {
    let ty = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).unwrap().1;
    let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("{name} is no struct") };
    (members.iter().map(|member| (member.name.clone().unwrap(), member.offset)).collect(), *span)
}

macro_rules! rust_layout {
    ($type:ty, $($field:ident),+) => {
        (vec![$((stringify!($field).to_string(), offset_of!($type, $field) as u32)),+], size_of::<$type>() as u32)
    };
}

/// Padding has other names on the two sides.
fn without_padding((fields, size): (Vec<(String, u32)>, u32)) -> (Vec<(String, u32)>, u32) {
    (fields.into_iter().filter(|(name, _)| !name.starts_with("pad")).collect(), size)
}

#[test]
fn structs_are_laid_out_alike() {
    let (module, _) = validate(&UPDATE, InputFormat::U8).unwrap();
    let layouts = [
        (
            "Layer",
            rust_layout!(
                Layer,
                inputs,
                outputs,
                weight_start,
                weight_stride,
                input_row,
                output_row,
                reads_data,
                is_output
            ),
        ),
        (
            "Network",
            rust_layout!(
                Network,
                replica_count,
                layer_count,
                row_count,
                parameter_vec4s,
                replica_vec4s,
                input_rows,
                moved_vec4s,
                layers
            ),
        ),
        (
            "Batch",
            rust_layout!(
                Batch,
                size,
                batch_size,
                sample4s,
                slot,
                steps,
                input_replicas,
                position,
                epoch,
                sample_count,
                shuffled,
                layer,
                t,
                rate_factors
            ),
        ),
        (
            "Replica",
            rust_layout!(
                ReplicaColumns,
                seed_low,
                seed_high,
                is_effective,
                rule,
                moments,
                is_decoupled,
                learning_rate,
                epsilon,
                clip_value,
                clip_norm,
                weight_decay,
                first,
                second,
                eps,
                log_first,
                log_second,
                moves_inactive,
                is_plain,
                dropout_threshold,
                dropout_scale,
                input_dropout_threshold,
                input_dropout_scale,
                count_threshold,
                byte_threshold
            ),
        ),
    ];
    for (name, rust) in layouts {
        assert_eq!(without_padding(wgsl_layout(&module, name)), rust, "{name}");
    }
    let source = UPDATE.source(InputFormat::U8);
    assert!(source.contains(&format!("const MAX_LAYERS = {MAX_LAYERS}u;")), "the longest network differs");
    for (index, rule) in Rule::all().enumerate() {
        let code = format!("const RULE_{} = {index}u;", rule.name().to_uppercase());
        assert!(source.contains(&code), "optimizer.wgsl has no {code}");
    }
}

/// A source file: its path below `folder`, and its code without comments. Unit tests in files of their own are left out.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.extend((path.file_name().unwrap() != "tests").then_some(path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
                found.push((name, code.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(!found.is_empty(), "no source in {folder}");
    found
}

/// The crate's modules and types that code names: `first` of every `crate::first`, and of every `crate::{first, ..}`.
fn named_after(code: &str, root: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (index, _) in code.match_indices(root) {
        let rest = &code[index + root.len()..];
        let group = match rest.strip_prefix('{') {
            Some(rest) => rest.split(['}', ';']).next().unwrap_or_default().split(',').collect(),
            None => vec![rest],
        };
        let first =
            |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        names.extend(group.into_iter().map(first));
    }
    names
}

/// Fails if a file of `folder` names one of `forbidden`; files whose names begin with one of `except` may.
#[track_caller]
fn names_none_of(folder: &str, root: &str, forbidden: &[&str], except: &[&str]) {
    for (file, code) in sources(folder).iter().filter(|(file, _)| !except.iter().any(|name| file.starts_with(name))) {
        let names = named_after(code, root);
        let wrong: Vec<&String> = names.iter().filter(|name| forbidden.contains(&name.as_str())).collect();
        assert!(wrong.is_empty(), "{folder}/{file} names {wrong:?} of {root}");
    }
}

#[test]
fn names_are_found() {
    let code = "use crate::gpu::Gpu;\nuse crate::{cpu::Cpu, Model};\nlet x = crate::reference::gamma(3);";
    assert_eq!(named_after(code, "crate::"), ["gpu", "cpu", "Model", "reference"]);
    assert!(named_after("use asgd::Model;", "crate::").is_empty());
}

/// The judge shares nothing with what it judges, and neither engine anything with the other.
#[test]
fn engines_and_reference_do_not_know_each_other() {
    names_none_of("src/reference", "crate::", &["check", "cpu", "gpu", "engine"], &[]);
    names_none_of("src/cpu", "crate::", &["check", "gpu", "reference"], &[]);
    names_none_of("src/gpu", "crate::", &["check", "cpu", "reference"], &[]);
}

/// Only device.rs knows both engines; only what a caller holds knows it; and the program knows no engine. What checks
/// devices is above all of them, and nothing in the library names it.
#[test]
fn imports_run_downward() {
    let holders = ["device", "Device", "trainer", "Trainer", "predictor", "Predictor"];
    names_none_of("src", "crate::", &["cpu", "gpu"], &["device.rs", "cpu/", "gpu/", "check/"]);
    names_none_of("src", "crate::", &holders, &["lib.rs", "device.rs", "trainer.rs", "predictor.rs", "bin/", "check/"]);
    names_none_of("src", "crate::", &["check"], &["lib.rs", "bin/", "check/"]);
    names_none_of("src/bin", "asgd::", &["cpu", "gpu"], &[]);
}

/// The checks drive engines from outside: one file runs the GPU's kernels, one opens devices, and what is compared is the
/// same for all.
#[test]
fn checks_know_little_of_engines() {
    names_none_of("src/check", "crate::", &["cpu", "trainer", "Trainer", "predictor", "Predictor"], &[]);
    names_none_of("src/check", "crate::", &["gpu"], &["shaders/kernels.rs"]);
    names_none_of("src/check", "crate::", &["device", "Device"], &["mod.rs"]);
}
