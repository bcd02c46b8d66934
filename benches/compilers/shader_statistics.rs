//! What the compiler of a Vulkan driver makes of every kernel, as JSON lines: VK_KHR_pipeline_executable_properties of the first
//! device that the loader finds. A device without a GPU will do, such as RADV's null device: nothing is ever run.
//!
//!     shader_statistics [--f32] [--wgsl] [FILE.wgsl...]
//!
//! --f32: as composed for f32 inputs instead of 8-bit ones. --wgsl: only the text, without Vulkan. FILEs take the place of the
//! kernels.

#![allow(unsafe_code, reason = "Vulkan's functions are unsafe")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use asgd::gpu::kernels;
use asgd::gpu::layout::InputFormat;
use ash::vk;
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use serde::Serialize;

/// A line of the output.
#[derive(Serialize)]
struct Line<'a> {
    shader: &'a str,
    entry: &'a str,
    workgroup_size: u32,
    /// Bytes of workgroup memory, as declared.
    workgroup_bytes: u32,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Wgsl { wgsl: &'a str },
    Compiled { device: &'a str, driver: &'a str, statistics: BTreeMap<String, f64>, texts: BTreeMap<String, String> },
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shader_statistics: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (options, files): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with("--"));
    ensure!(options.iter().all(|option| ["--f32", "--wgsl"].contains(&option.as_str())), "no such option: {options:?}");
    let has = |name| options.iter().any(|option| option == name);
    let inputs = if has("--f32") { InputFormat::F32 } else { InputFormat::U8 };
    let compiler = if has("--wgsl") { None } else { Some(Compiler::new()?) };
    for (name, entry, wgsl) in sources(&files, inputs)? {
        let shader = Shader::parse(&wgsl, entry).with_context(|| name.clone())?;
        let outcome = match &compiler {
            Some(compiler) => compiler.compile(&shader).with_context(|| name.clone())?,
            None => Outcome::Wgsl { wgsl: &wgsl },
        };
        let (entry, workgroup_size) = (&shader.entry().name, shader.entry().workgroup_size.iter().product());
        let line = Line { shader: &name, entry, workgroup_size, workgroup_bytes: shader.workgroup_bytes(), outcome };
        println!("{}", serde_json::to_string(&line)?);
    }
    Ok(())
}

/// Names, entry points (of a file, its first) and texts. Kernels go by their files, since two share the name of their entry; what
/// a pipeline may override is constant, as it is by default.
fn sources(files: &[String], inputs: InputFormat) -> Result<Vec<(String, Option<&'static str>, String)>> {
    if files.is_empty() {
        let text = |kernel: &kernels::Kernel| kernel.source(inputs).replace("\noverride ", "\nconst ");
        let name = |kernel: &kernels::Kernel| match kernel.entry {
            // At the end of files that have another entry point.
            "reduce_norms" => format!("{}, {}", kernel.file, kernel.entry),
            _ => kernel.file.to_owned(),
        };
        let kernel = |kernel: &kernels::Kernel| (name(kernel), Some(kernel.entry), text(kernel));
        return Ok(kernels::ALL.map(kernel).to_vec());
    }
    files.iter().map(|file| Ok((file.clone(), None, std::fs::read_to_string(file).context(file.clone())?))).collect()
}

struct Shader {
    module: naga::Module,
    info: ModuleInfo,
    entry: usize,
}

impl Shader {
    fn parse(wgsl: &str, entry: Option<&str>) -> Result<Self> {
        let module = naga::front::wgsl::parse_str(wgsl)?;
        let info = Validator::new(ValidationFlags::all(), Capabilities::all()).validate(&module)?;
        let entry = module.entry_points.iter().position(|point| entry.is_none_or(|entry| point.name == entry));
        Ok(Self { entry: entry.context("no entry point")?, module, info })
    }

    fn entry(&self) -> &naga::EntryPoint {
        &self.module.entry_points[self.entry]
    }

    fn workgroup_bytes(&self) -> u32 {
        let (module, uses) = (&self.module, self.info.get_entry_point(self.entry));
        let globals = module.global_variables.iter();
        let shared = globals
            .filter(|(handle, global)| global.space == naga::AddressSpace::WorkGroup && !uses[*handle].is_empty());
        shared.map(|(_, global)| module.types[global.ty].inner.size(module.to_ctx())).sum()
    }

    /// As wgpu 30 has it for a device with robustBufferAccess2, and src/gpu/kernels.rs for its pipelines.
    fn spirv(&self) -> Result<Vec<u32>> {
        let options = spv::Options {
            lang_version: (1, 6),
            flags: spv::WriterFlags::empty(),
            bounds_check_policies: BoundsCheckPolicies {
                index: BoundsCheckPolicy::Restrict,
                ..BoundsCheckPolicies::default()
            },
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: true,
            emit_int_div_checks: true,
            ..spv::Options::default()
        };
        let entry_point = self.entry().name.clone();
        let entry = spv::PipelineOptions { entry_point, shader_stage: naga::ShaderStage::Compute };
        Ok(spv::write_vec(&self.module, &self.info, &options, Some(&entry))?)
    }

    /// Batches have a dynamic offset, as in src/gpu/kernels.rs.
    fn bindings(&self) -> Vec<vk::DescriptorSetLayoutBinding<'static>> {
        let globals =
            self.module.global_variables.iter().filter_map(|(_, global)| Some((global.binding?, global.space)));
        let binding = |(place, space): (naga::ResourceBinding, _)| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(place.binding)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
                .descriptor_type(match (space, place.binding) {
                    (naga::AddressSpace::Uniform, 1) => vk::DescriptorType::UNIFORM_BUFFER_DYNAMIC,
                    (naga::AddressSpace::Uniform, _) => vk::DescriptorType::UNIFORM_BUFFER,
                    _ => vk::DescriptorType::STORAGE_BUFFER,
                })
        };
        globals.map(binding).collect()
    }
}

/// A device of a driver. Nothing is destroyed: the process is short.
struct Compiler {
    name: String,
    /// Its version, as Mesa writes it.
    driver: String,
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    // The functions of the others are in the library that it holds.
    _entry: ash::Entry,
}

impl Compiler {
    fn new() -> Result<Self> {
        // SAFETY, of all calls here: structs are ash's, handles are alive, one thread.
        let entry = unsafe { ash::Entry::load() }.context("no Vulkan loader (libvulkan1)")?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        let instance = unsafe { entry.create_instance(&info, None) }.context("no Vulkan instance")?;
        let devices = unsafe { instance.enumerate_physical_devices() }.context("no Vulkan device")?;
        let &physical = devices.first().context("no Vulkan device")?;
        let properties = unsafe { instance.get_physical_device_properties(physical) };

        let extensions =
            [ash::khr::pipeline_executable_properties::NAME, ash::ext::robustness2::NAME].map(CStr::as_ptr);
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
        let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
        let mut executables =
            vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
        let mut robustness = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
        let info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&extensions)
            .enabled_features(&features)
            .push_next(&mut executables)
            .push_next(&mut robustness);
        let name = text(&properties.device_name);
        let version = properties.driver_version;
        let parts = [vk::api_version_major(version), vk::api_version_minor(version), vk::api_version_patch(version)];
        let driver = parts.map(|part| part.to_string()).join(".");
        let device = unsafe { instance.create_device(physical, &info, None) }
            .with_context(|| format!("{name} has no device that tells of its shaders"))?;
        let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
        Ok(Self { name, driver, device, executables, _entry: entry })
    }

    fn pipeline(&self, shader: &Shader) -> Result<vk::Pipeline> {
        let device = &self.device;
        let bindings = shader.bindings();
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let sets = [unsafe { device.create_descriptor_set_layout(&info, None) }?];
        let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
        let layout = unsafe { device.create_pipeline_layout(&info, None) }?;
        let words = shader.spirv()?;
        let info = vk::ShaderModuleCreateInfo::default().code(&words);
        let module = unsafe { device.create_shader_module(&info, None) }?;
        let entry = CString::new(shader.entry().name.as_str())?;
        let stage = vk::PipelineShaderStageCreateInfo::default().stage(vk::ShaderStageFlags::COMPUTE);
        let capture = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
            | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
        let stage = stage.module(module).name(&entry);
        let info = vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout).flags(capture);
        let pipelines = unsafe { device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None) };
        Ok(pipelines.map_err(|(_, error)| error)?[0])
    }

    fn compile(&self, shader: &Shader) -> Result<Outcome<'_>> {
        let executables = &self.executables;
        // A compute pipeline is one executable.
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(self.pipeline(shader)?);
        let statistics = unsafe { executables.get_pipeline_executable_statistics(&info) }?;
        let statistics = statistics.iter().map(|statistic| (text(&statistic.name), number(statistic))).collect();

        // Sizes first, then texts of these sizes.
        let mut texts = unsafe { executables.get_pipeline_executable_internal_representations(&info) }?;
        let mut buffers: Vec<_> = texts.iter().map(|text| vec![0u8; text.data_size]).collect();
        for (text, buffer) in texts.iter_mut().zip(&mut buffers) {
            text.p_data = buffer.as_mut_ptr().cast();
        }
        let get = executables.fp().get_pipeline_executable_internal_representations_khr;
        let mut count = texts.len() as u32;
        unsafe { get(self.device.handle(), &info, &mut count, texts.as_mut_ptr()) }.result()?;
        let contents = buffers.iter().map(|buffer| String::from_utf8_lossy(buffer).trim_end_matches('\0').to_owned());
        let texts = texts.iter().map(|representation| text(&representation.name)).zip(contents).collect();
        Ok(Outcome::Compiled { device: &self.name, driver: &self.driver, statistics, texts })
    }
}

/// A name in a Vulkan struct, which ends with a zero.
fn text(characters: &[c_char]) -> String {
    characters.iter().take_while(|&&c| c != 0).map(|&c| c as u8 as char).collect()
}

fn number(statistic: &vk::PipelineExecutableStatisticKHR<'_>) -> f64 {
    // SAFETY: the format says which field was written.
    unsafe {
        match statistic.format {
            vk::PipelineExecutableStatisticFormatKHR::BOOL32 => statistic.value.b32.into(),
            vk::PipelineExecutableStatisticFormatKHR::INT64 => statistic.value.i64 as f64,
            vk::PipelineExecutableStatisticFormatKHR::UINT64 => statistic.value.u64 as f64,
            _ => statistic.value.f64,
        }
    }
}
