//! Adapter and device: which one, with which limits, and what it reports back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wgpu::{AdapterInfo, Backends, BufferUsages, DeviceType};

use super::kernels::Pipelines;
use crate::error::{Error, Result};

/// A dispatch or copy that takes longer than this has hung.
const TIMEOUT: Duration = Duration::from_secs(600);

/// An adapter, its device and its queue. Cheap to clone: clones share the device.
#[derive(Clone)]
pub struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    info: AdapterInfo,
    /// The first error that arrived outside a call: validation, out of memory; or that the device is lost.
    fault: Arc<Mutex<Option<Error>>>,
    pub(super) pipelines: Arc<Pipelines>,
    /// Of all buffers made so far.
    buffer_bytes: Arc<AtomicU64>,
}

/// An adapter that wgpu can use here, and its limits.
pub struct Adapter {
    adapter: wgpu::Adapter,
    /// Name, type, driver and backend.
    pub info: AdapterInfo,
    /// What the adapter allows at most, and what a device gets that is opened with them; a test may lower them before.
    pub limits: wgpu::Limits,
}

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

/// Faster kinds of adapter come first.
fn rank(info: &AdapterInfo) -> u32 {
    match info.device_type {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

/// What the kind of an adapter is called in messages.
pub fn kind(info: &AdapterInfo) -> &'static str {
    match info.device_type {
        DeviceType::DiscreteGpu => "discrete GPU",
        DeviceType::IntegratedGpu => "integrated GPU",
        DeviceType::VirtualGpu => "virtual GPU",
        DeviceType::Other => "adapter of unknown kind",
        DeviceType::Cpu => "software, on the CPU",
    }
}

/// All adapters, in the order of preference: a discrete GPU before an integrated one before software.
pub fn adapters() -> Vec<Adapter> {
    let adapters = pollster::block_on(instance().enumerate_adapters(Backends::PRIMARY));
    let mut adapters: Vec<Adapter> = adapters
        .into_iter()
        .map(|adapter| Adapter { info: adapter.get_info(), limits: adapter.limits(), adapter })
        .collect();
    adapters.sort_by_key(|adapter| rank(&adapter.info));
    adapters
}

impl Adapter {
    /// Whether its name contains `name`, in any case.
    pub fn has_name(&self, name: &str) -> bool {
        self.info.name.to_lowercase().contains(&name.to_lowercase())
    }

    /// Whether it is a GPU rather than software.
    pub fn is_hardware(&self) -> bool {
        matches!(self.info.device_type, DeviceType::DiscreteGpu | DeviceType::IntegratedGpu | DeviceType::VirtualGpu)
    }

    /// Opens it.
    ///
    /// # Errors
    /// What the driver says.
    pub fn open(&self) -> Result<Gpu> {
        Gpu::open(&self.adapter, self.limits.clone())
    }
}

impl Gpu {
    /// Opens the adapter whose name contains `name` (in any case), or without a name the best, software included: for
    /// tests and benchmarks of shaders.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if none has that name, or what the driver says.
    pub fn new(name: Option<&str>) -> Result<Self> {
        let adapters = adapters();
        let found = adapters.iter().find(|adapter| name.is_none_or(|name| adapter.has_name(name)));
        found.ok_or(Error::NoAdapter)?.open()
    }

    fn open(adapter: &wgpu::Adapter, required_limits: wgpu::Limits) -> Result<Self> {
        let info = adapter.get_info();
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("asgd"),
            required_features: adapter.features() & wgpu::Features::TIMESTAMP_QUERY,
            required_limits,
            ..Default::default()
        }))
        .map_err(|error| Error::DeviceLost(error.to_string()))?;

        let fault = Arc::new(Mutex::new(None));
        let report = {
            let fault = Arc::clone(&fault);
            move |error: Error| {
                let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
                if fault.is_none() || matches!(error, Error::DeviceLost(_)) {
                    *fault = Some(error);
                }
            }
        };
        device.on_uncaptured_error(Arc::new({
            let report = report.clone();
            move |error: wgpu::Error| {
                report(match error {
                    wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory(one_line(&error)),
                    _ => Error::Gpu(one_line(&error)),
                });
            }
        }));
        device.set_device_lost_callback(move |reason, message| {
            report(Error::DeviceLost(if message.is_empty() { format!("{reason:?}") } else { one_line(&message) }));
        });
        Ok(Self { device, queue, info, fault, pipelines: Arc::default(), buffer_bytes: Arc::default() })
    }

    /// Name, type, driver and backend.
    pub fn info(&self) -> &AdapterInfo {
        &self.info
    }

    /// What the device allows.
    pub fn limits(&self) -> wgpu::Limits {
        self.device.limits()
    }

    /// Bytes of all buffers made since it was opened, freed ones included, before their sizes are rounded up.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffer_bytes.load(Ordering::Relaxed)
    }

    /// Whether dispatches can be timed.
    pub(crate) fn has_timestamps(&self) -> bool {
        self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }

    /// Which adapter, in some words.
    pub fn describe(&self) -> String {
        let AdapterInfo { name, backend, driver, driver_info, .. } = &self.info;
        format!("{name} ({}; {backend:?}, {driver} {driver_info})", kind(&self.info))
    }

    /// Whether shaders run on the CPU (llvmpipe), which is for tests.
    pub fn is_software(&self) -> bool {
        self.info.device_type == DeviceType::Cpu
    }

    /// The first error that the driver reported since the device was opened, or that it is lost.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`], or [`Error::Gpu`].
    pub fn check(&self) -> Result<()> {
        // wgpu tells of a lost device only when it is polled, and of errors that follow from the loss before.
        let _ = self.device.poll(wgpu::PollType::Poll);
        match &*self.fault.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// Gives the device up, as a driver may do at any moment: every later call fails. For tests.
    pub fn lose(&self) {
        self.device.destroy();
    }

    /// A buffer of `size` bytes, zeroed.
    ///
    /// # Errors
    /// [`Error::Limit`] if the adapter does not allow a buffer or a binding of that size.
    pub fn buffer(&self, label: &str, size: u64, usage: BufferUsages) -> Result<wgpu::Buffer> {
        let limits = self.device.limits();
        let checks = [
            (true, "maxBufferSize", limits.max_buffer_size),
            (
                usage.contains(BufferUsages::STORAGE),
                "maxStorageBufferBindingSize",
                limits.max_storage_buffer_binding_size,
            ),
        ];
        for (applies, limit, available) in checks {
            if applies && size > available {
                return Err(Error::Limit {
                    what: format!("the buffer of {label}"),
                    limit,
                    unit: "bytes",
                    needed: size,
                    available,
                    mend: "use fewer replicas, a smaller batch, a smaller network or less data",
                });
            }
        }
        self.buffer_bytes.fetch_add(size, Ordering::Relaxed);
        // Sizes are multiples of four, and a binding is never empty.
        let size = size.max(16).next_multiple_of(4);
        Ok(self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        }))
    }

    /// A storage buffer of `size` bytes that can be copied from and to.
    ///
    /// # Errors
    /// As [`Self::buffer`].
    pub fn storage(&self, label: &str, size: u64) -> Result<wgpu::Buffer> {
        self.buffer(label, size, BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC)
    }

    /// A storage buffer with contents.
    ///
    /// # Errors
    /// As [`Self::buffer`] and [`Self::write`].
    pub fn storage_from<T: bytemuck::NoUninit>(&self, label: &str, contents: &[T]) -> Result<wgpu::Buffer> {
        let buffer = self.storage(label, size_of_val(contents) as u64)?;
        self.write(&buffer, contents)?;
        Ok(buffer)
    }

    /// Overwrites the start of a buffer, piece by piece, so that the staging memory stays small.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn write<T: bytemuck::NoUninit>(&self, buffer: &wgpu::Buffer, contents: &[T]) -> Result<()> {
        const PIECE: usize = 16 << 20;
        let bytes: &[u8] = bytemuck::cast_slice(contents);
        for (index, piece) in bytes.chunks(PIECE).enumerate() {
            self.queue.write_buffer(buffer, (index * PIECE) as u64, piece);
            if bytes.len() > PIECE {
                let submission = self.queue.submit([]);
                self.wait(submission)?;
            }
        }
        self.check()
    }

    /// Reads `size` bytes from the start of each buffer, one after the other, in one round trip.
    ///
    /// # Errors
    /// What the driver reported.
    pub fn read<T: bytemuck::Pod>(&self, buffers: &[(&wgpu::Buffer, u64)]) -> Result<Vec<Vec<T>>> {
        let total = buffers.iter().map(|(_, size)| size).sum();
        let staging = self.buffer("read-back", total, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut offset = 0;
        for (buffer, size) in buffers {
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, offset, *size);
            offset += size;
        }
        let submission = self.queue.submit([encoder.finish()]);
        let (sender, receiver) = futures_intrusive::channel::shared::oneshot_channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only if wait() below failed, and then nobody waits for this.
            let _ = sender.send(result);
        });
        self.wait(submission)?;
        match pollster::block_on(receiver.receive()) {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(Error::Gpu(one_line(&error))),
            None => return Err(Error::Gpu("a read-back was dropped".into())),
        }
        let bytes = staging.get_mapped_range(..).map_err(|error| Error::Gpu(one_line(&error)))?;
        let mut offset = 0;
        Ok(buffers
            .iter()
            .map(|(_, size)| {
                let contents = &bytes[offset..offset + *size as usize];
                offset += contents.len();
                bytemuck::pod_collect_to_vec(contents)
            })
            .collect())
    }

    /// Waits until a submission is done.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] after ten minutes without an end, or what the driver reported meanwhile.
    pub fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<()> {
        let poll = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(TIMEOUT) };
        let result = self.device.poll(poll);
        self.check()?;
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::DeviceLost(one_line(&error))),
        }
    }
}

/// Driver messages run over many lines; a user's error is one.
fn one_line(message: &impl ToString) -> String {
    message.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
