//! What needs no adapter: every shader is valid exactly as it is composed, and Rust's structs are laid out as
//! WGSL's.

#![allow(missing_docs, reason = "a test binary")]

use std::mem::{offset_of, size_of};

use asgd::gpu::kernels::{Access, Kernel, Variant, ALL, FORWARD};
use asgd::gpu::layout::{Batch, InputFormat, Layer, Network, ReplicaColumns, MAX_LAYERS};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

fn variants() -> Vec<Variant> {
    let mut variants = Vec::new();
    for inputs in [InputFormat::U8, InputFormat::F32] {
        for subgroups_of_8 in [false, true] {
            for workgroup_size in [8, 64] {
                variants.push(Variant {
                    inputs,
                    subgroups_of_8,
                    workgroup_size,
                    tile_octets: if subgroups_of_8 { 4 } else { 1 },
                });
            }
        }
    }
    variants
}

fn validate(kernel: &Kernel, variant: Variant) -> Result<(naga::Module, ModuleInfo), String> {
    let source = kernel.source(variant);
    let module = naga::front::wgsl::parse_str(&source).map_err(|error| error.emit_to_string(&source))?;
    // Only the subgroup variant may use more than WebGPU's core.
    let capabilities = if variant.subgroups_of_8 {
        Capabilities::SUBGROUP | Capabilities::SHADER_INT64
    } else {
        Capabilities::empty()
    };
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    let info = validator.validate(&module).map_err(|error| error.emit_to_string(&source))?;
    Ok((module, info))
}

#[test]
fn every_shader_is_valid_in_every_variant() {
    let mut failures = Vec::new();
    for kernel in ALL {
        for variant in variants() {
            if let Err(error) = validate(kernel, variant) {
                failures.push(format!("{} {variant:?}: {error}", kernel.entry));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The bindings that a kernel lists are those that its entry point uses, with the same access, within WebGPU's
/// default limits.
#[test]
fn listed_bindings_are_those_in_use() {
    for kernel in ALL {
        for variant in variants() {
            let (module, info) = validate(kernel, variant).unwrap();
            let index = module.entry_points.iter().position(|point| point.name == kernel.entry).unwrap();
            let mut used: Vec<(u32, Access)> = Vec::new();
            for (handle, variable) in module.global_variables.iter() {
                let Some(binding) = &variable.binding else { continue };
                if info.get_entry_point(index)[handle].is_empty() {
                    continue;
                }
                let access = match variable.space {
                    naga::AddressSpace::Uniform if binding.binding == 0 => Access::Uniform,
                    naga::AddressSpace::Uniform => Access::Batch,
                    naga::AddressSpace::Storage { access } if access.contains(naga::StorageAccess::STORE) => {
                        Access::Write
                    }
                    _ => Access::Read,
                };
                used.push((binding.binding, access));
            }
            used.sort_by_key(|(binding, _)| *binding);
            let listed: Vec<_> = kernel.bindings().filter(|listed| listed.0 > 1 || used.contains(listed)).collect();
            assert_eq!(used, listed, "{} {variant:?}", kernel.entry);
            assert!(kernel.storage.len() <= 8, "{}: more storage buffers than WebGPU allows by default", kernel.entry);
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
    let variant = variants()[0];
    let (module, _) = validate(&FORWARD, variant).unwrap();
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
        ("Network", rust_layout!(Network, replica_count, layer_count, row_count, parameter_vec4s, input_rows, layers)),
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
                layer
            ),
        ),
        ("Replica", rust_layout!(ReplicaColumns, seed_low, seed_high, optimizer, learning_rate, epsilon)),
    ];
    for (name, rust) in layouts {
        assert_eq!(without_padding(wgsl_layout(&module, name)), rust, "{name}");
    }
    let source = FORWARD.source(variant);
    assert!(source.contains(&format!("const MAX_LAYERS = {MAX_LAYERS}u;")), "the longest network differs");
}
