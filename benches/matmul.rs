//! The best matrix product in WGSL on this adapter: the practical limit of a step on wide networks. C = A B in f32,
//! as plain as it gets, no masks, no ragged edges; several register tiles, and the fastest counts.
//!
//!     [ASGD_BENCH_DEVICE=NAME] cargo bench --bench matmul [-- ROUNDS]
//!
//! The adapter is a real GPU, or the one that ASGD_BENCH_DEVICE names.

use std::time::Instant;

use wgpu::DeviceType;
use wgpu::util::DeviceExt;

/// Rows, columns and depth of the product: about a layer 512-512 on a batch of 1,024, but no powers of two, whose rows
/// would fall on the same places of the caches.
const M: u32 = 480;
const N: u32 = 1280;
const K: u32 = 512;

/// Invocations of a workgroup.
const SIZE: u32 = 32;

/// One invocation owns 4 `quads` rows of A by 4 `columns` columns of B, whose lanes are neighbours, and takes `depth`
/// steps of K a turn. A is stored (K, M) and B (K, N), so that all loads are vec4s.
fn source(quads: u32, columns: u32, depth: u32) -> String {
    let mut body = String::new();
    let mut sums = String::new();
    let mut stores = String::new();
    for k in 0..depth {
        for column in 0..columns {
            body += &format!("  let b{k}_{column} = b[place_b + {}u];\n", k * N / 4 + column);
        }
        for quad in 0..quads {
            body += &format!("  let a{k}_{quad} = a[place_a + {}u];\n", k * M / 4 + quad);
        }
    }
    for quad in 0..quads {
        for part in 0..4 {
            for column in 0..columns {
                let sum = format!("c{quad}_{part}_{column}");
                sums += &format!("  var {sum} = vec4<f32>();\n");
                let product = (0..depth)
                    .fold(sum.clone(), |sum, k| format!("fma(b{k}_{column}, vec4(a{k}_{quad}[{part}]), {sum})"));
                body += &format!("  {sum} = {product};\n");
                let row = format!("(4u * (row + {quad}u) + {part}u)");
                stores += &format!("  c[{row} * {}u + column + {column}u] = {sum};\n", N / 4);
            }
        }
    }
    body += &format!("  place_a += {}u; place_b += {}u;\n", depth * M / 4, depth * N / 4);
    format!(
        "@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;\n\
         @group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;\n\
         @group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;\n\
         @compute @workgroup_size({size})\n\
         fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{\n\
         let column = (group.x * {size}u + local) * {columns}u;\n\
         let row = group.y * {quads}u;\n{sums}\
         var place_a = row;\n\
         var place_b = column;\n\
         for (var k = 0u; k < {K}u; k += {depth}u) {{\n{body}}}\n{stores}}}\n",
        size = SIZE,
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rounds = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(7usize);
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let wanted = std::env::var("ASGD_BENCH_DEVICE").unwrap_or_default().to_lowercase();
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let found = adapters.into_iter().find(|adapter| match wanted.as_str() {
        "" => matches!(adapter.get_info().device_type, DeviceType::DiscreteGpu | DeviceType::IntegratedGpu),
        wanted => adapter.get_info().name.to_lowercase().contains(wanted),
    });
    let adapter = found.ok_or("no such GPU")?;
    let info = adapter.get_info();
    println!("adapter: {} {}", info.name, info.driver_info);
    let (device, queue) = pollster::block_on(
        adapter.request_device(&wgpu::DeviceDescriptor { required_limits: adapter.limits(), ..Default::default() }),
    )?;
    let buffer = |length: u32| {
        let values: Vec<f32> = (0..length).map(|index| (index % 97) as f32 / 97.0).collect();
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(&values),
            usage: wgpu::BufferUsages::STORAGE,
        })
    };
    let buffers = [buffer(M * K), buffer(K * N), buffer(M * N)];
    let mut best = 0.0f64;
    let tiles = [(1, 1), (2, 1), (4, 1), (8, 1), (2, 2), (4, 2), (8, 2)];
    for ((quads, columns), depth) in tiles.into_iter().flat_map(|tile| [(tile, 1), (tile, 4)]) {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(source(quads, columns, depth).into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let entries: Vec<_> = buffers
            .iter()
            .enumerate()
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let layout = &pipeline.get_bind_group_layout(0);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor { label: None, layout, entries: &entries });
        let seconds = |times: u32| -> Result<f64, wgpu::PollError> {
            let mut encoder = device.create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&pipeline);
            pass.set_bind_group(0, &group, &[]);
            for _ in 0..times {
                pass.dispatch_workgroups(N / 4 / columns / SIZE, M / 4 / quads, 1);
            }
            drop(pass);
            let start = Instant::now();
            queue.submit([encoder.finish()]);
            device.poll(wgpu::PollType::wait_indefinitely())?;
            Ok(start.elapsed().as_secs_f64() / f64::from(times))
        };
        seconds(1)?;
        let times = (0.1 / seconds(2)?).clamp(1.0, 1000.0) as u32;
        let mut all = (0..rounds).map(|_| seconds(times)).collect::<Result<Vec<_>, _>>()?;
        all.sort_by(f64::total_cmp);
        let gflops = 2.0 * f64::from(M) * f64::from(N) * f64::from(K) / all[rounds / 2] / 1e9;
        best = best.max(gflops);
        println!("{:3} rows x {:2} columns, {depth} deep  {gflops:8.1} GFLOP/s", 4 * quads, 4 * columns);
    }
    println!("best {best:.1} GFLOP/s");
    Ok(())
}
