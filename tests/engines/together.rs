//! Processes that train one network together come to the bits of one process: here they are threads, and channels are between them.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use asgd::cpu::{self, Cpu};
use asgd::engine::TrainingEngine;
use asgd::{
    Activation, Dataset, Decay, Device, Error, Exchange, Init, Model, NetworkSpec, ReplicaSettings, Schedule, Split,
    TrainSettings, Trainer,
};

use crate::invariance::{End, Random, Training, trainings};
use crate::support::{circles, images, model, pixels};

/// One end of channels to all other ranks. If a rank panics, the others do not wait for it.
#[derive(Debug)]
struct Channels {
    rank: usize,
    /// To each rank.
    senders: Vec<Sender<Vec<u32>>>,
    /// From each rank.
    receivers: Vec<Mutex<Receiver<Vec<u32>>>>,
    /// Words of all ranks in the largest call.
    most: AtomicUsize,
    /// Words of all ranks in all calls.
    words: AtomicUsize,
}

impl Channels {
    fn between(ranks: usize) -> Vec<Arc<Self>> {
        let end = |rank| Self {
            rank,
            senders: Vec::new(),
            receivers: Vec::new(),
            most: AtomicUsize::new(0),
            words: AtomicUsize::new(0),
        };
        let mut ends: Vec<Self> = (0..ranks).map(end).collect();
        for from in 0..ranks {
            for to in 0..ranks {
                let (sender, receiver) = channel();
                ends[from].senders.push(sender);
                ends[to].receivers.push(Mutex::new(receiver));
            }
        }
        ends.into_iter().map(Arc::new).collect()
    }
}

impl Exchange for Channels {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.senders.len()
    }

    fn all_gather(&self, all: &mut [u32], lengths: &[usize]) {
        assert_eq!((lengths.len(), lengths.iter().sum::<usize>()), (self.ranks(), all.len()));
        self.most.fetch_max(all.len(), Ordering::Relaxed);
        self.words.fetch_add(all.len(), Ordering::Relaxed);
        let mut rest = all;
        let mut parts = Vec::new();
        for &length in lengths {
            let (part, after) = rest.split_at_mut(length);
            parts.push(part);
            rest = after;
        }
        let others = || (0..self.ranks()).filter(|&rank| rank != self.rank);
        others().for_each(|rank| self.senders[rank].send(parts[self.rank].to_vec()).expect("the other rank is there"));
        for rank in others() {
            let receiver = self.receivers[rank].lock().unwrap();
            parts[rank].copy_from_slice(&receiver.recv().expect("the other rank is there"));
        }
    }
}

/// What `work` comes to on each rank; rank k has `threads[k]` threads.
fn together<T: Send>(threads: &[usize], work: impl Fn(Cpu, &Channels) -> T + Sync) -> Vec<T> {
    let ends = Channels::between(threads.len());
    std::thread::scope(|scope| {
        let rank = |(end, &threads): (Arc<Channels>, &usize)| {
            let work = &work;
            scope.spawn(move || work(Cpu::new(Some(threads)).unwrap().together(end.clone()).unwrap(), &end))
        };
        let ranks: Vec<_> = ends.into_iter().zip(threads).map(rank).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Threads of 1, 2, 3 and 5 ranks.
const TEAMS: [&[usize]; 6] = [&[2], &[1, 1], &[2, 2], &[1, 3], &[2, 1, 2], &[1, 1, 1, 1, 1]];

impl Training {
    fn on(&self, cpu: &Cpu) -> cpu::Trainer {
        cpu::Trainer::new(cpu, &self.dataset, &self.initial, self.settings.clone()).unwrap()
    }

    fn end_on(&self, cpu: &Cpu) -> End {
        let mut trainer = self.on(cpu);
        trainer.train(self.steps).unwrap();
        End::of(&mut trainer)
    }

    fn alone(&self) -> End {
        self.end_on(&Cpu::new(Some(1)).unwrap())
    }

    #[track_caller]
    fn is_the_same_on(&self, teams: &[&[usize]]) {
        let alone = self.alone();
        for threads in teams {
            for (rank, end) in together(threads, |cpu, _| self.end_on(&cpu)).iter().enumerate() {
                assert!(end.is(&alone), "rank {rank} of {threads:?}: {}", self.describe());
            }
        }
    }
}

/// Trainings made up at random: every rule, lists and dense data, dropout, thresholds, schedules, several replicas.
#[test]
fn any_training() {
    let mut number = 0;
    for seed in 0.. {
        let training = Training::any(&mut Random(seed * 1000 + 3));
        if training.initial.spec().batch_norm() {
            continue;
        }
        training.is_the_same_on(&[TEAMS[number % TEAMS.len()]]);
        number += 1;
        if number as u64 == trainings(30) {
            break;
        }
    }
}

fn settings(batch_size: usize, replica: impl Fn(&mut ReplicaSettings), optimizer: &str) -> TrainSettings {
    let optimizer: asgd::Optimizer = optimizer.parse().unwrap();
    let learning_rate = optimizer.default_learning_rate();
    let mut own = ReplicaSettings { seed: 7, optimizer, learning_rate, ..Default::default() };
    replica(&mut own);
    TrainSettings { batch_size, replicas: vec![own], ..Default::default() }
}

fn training(dataset: &Dataset, hidden: &[usize], settings: TrainSettings, steps: u64) -> Training {
    let seeds: Vec<u64> = settings.replicas.iter().map(|replica| replica.seed).collect();
    Training { dataset: dataset.clone(), initial: model(dataset, hidden, &seeds), settings, steps }
}

/// Each rule and each setting on data that are listed and dense, wide and narrow, with a last batch of few samples.
#[test]
fn every_setting() {
    type Change = fn(&mut ReplicaSettings);
    let changes: [(&str, Change); 10] = [
        ("sgd", |_| ()),
        ("asgd", |_| ()),
        ("adam", |_| ()),
        ("aadam", |_| ()),
        ("lion", |_| ()),
        ("sgd", |replica| replica.optimizer.weight_decay = 0.01),
        ("asgd", |replica| replica.optimizer.clip_norm = 0.1),
        ("adam", |replica| (replica.optimizer.clip_norm, replica.optimizer.clip_value) = (0.1, 0.01)),
        ("asgd", |replica| (replica.dropout, replica.input_dropout) = (0.3, 0.2)),
        ("asgd", |replica| (replica.count_threshold, replica.dropout) = (0.05, 0.3)),
    ];
    // Batches of 64, 64 and 2 samples; of 31 four times and 6.
    let sets = [(pixels(130, 784, 10, 8), 64), (pixels(130, 100, 10, 0), 64), (pixels(130, 40, 3, 6), 31)];
    for (index, (optimizer, change)) in changes.into_iter().enumerate() {
        for (set, (dataset, batch_size)) in sets.iter().enumerate() {
            let hidden: &[usize] = [&[70, 33][..], &[9], &[]][(index + set) % 3];
            let teams = [TEAMS[1 + (index + set) % 5], TEAMS[5]];
            training(dataset, hidden, settings(*batch_size, change, optimizer), 7).is_the_same_on(&teams);
        }
    }
}

/// More ranks than samples in the last batch, and than in all batches; more than blocks of samples to evaluate.
#[test]
fn ranks_with_nothing_to_do() {
    for (batch_size, samples) in [(8, 10), (3, 10), (1, 4)] {
        for zeros in [0, 7] {
            for optimizer in ["asgd", "adam"] {
                let threshold = |replica: &mut ReplicaSettings| replica.count_threshold = 0.1;
                let settings = settings(batch_size, threshold, optimizer);
                training(&pixels(samples, 70, 3, zeros), &[5], settings, 9).is_the_same_on(&[TEAMS[5], &[3, 4]]);
            }
        }
    }
}

/// Sums that overflow, and NaN: bits of no meaning are the same too.
#[test]
fn trainings_that_diverge() {
    let far = |replica: &mut ReplicaSettings| replica.learning_rate = 1e30;
    for zeros in [0, 7] {
        let training = training(&pixels(50, 70, 3, zeros), &[20, 9], settings(16, far, "adam"), 12);
        let cpu = Cpu::new(Some(1)).unwrap();
        let mut trainer = training.on(&cpu);
        trainer.train(12).unwrap();
        assert!(trainer.evaluate(Split::Train).unwrap()[0].has_diverged);
        training.is_the_same_on(&[TEAMS[2]]);
    }
}

/// Activations that keep their sums, and several blocks of samples in an evaluation, of all sets.
#[test]
fn other_activations_and_large_sets() {
    let dataset = pixels(1400, 30, 4, 3);
    let spec = NetworkSpec::with(&[30, 40, 17, 4], Activation::Gelu, dataset.loss()).unwrap();
    let settings = settings(100, |replica| replica.dropout = 0.2, "amomentum");
    let initial = Init::Kaiming.model(&spec, &[7]).unwrap();
    Training { dataset, initial, settings, steps: 9 }.is_the_same_on(&TEAMS);

    let training = training(&images(), &[9], self::settings(64, |_| (), "asgd"), 5);
    let evaluated = |cpu: &Cpu| {
        let mut trainer = training.on(cpu);
        trainer.train(5).unwrap();
        (trainer.evaluate(Split::Validation).unwrap(), trainer.mean_adaptive_batch_sizes().unwrap())
    };
    let alone = evaluated(&Cpu::new(Some(1)).unwrap());
    assert!(together(TEAMS[4], |cpu, _| evaluated(&cpu)).iter().all(|end| *end == alone));
}

/// Stopped, resumed by other ranks and by one process, with other learning rates on the way.
#[test]
fn resumed_by_others() {
    let replicas = |training: &mut Training| {
        let first = training.settings.replicas[0];
        training.settings.replicas.push(ReplicaSettings { seed: 9, optimizer: "adam".parse().unwrap(), ..first });
        training.initial = model(&training.dataset, &[33, 9], &[7, 9]);
        training.settings.schedule = Schedule { decay: Decay::Cosine { minimum: 0.1 }, warmup: 3, steps: 20 };
    };
    for zeros in [0, 8] {
        let mut training = training(&pixels(130, 60, 5, zeros), &[33, 9], settings(32, |_| (), "aadam"), 20);
        replicas(&mut training);
        let rates = [0.003, 0.001];
        let first = |cpu: &Cpu| {
            let mut trainer = training.on(cpu);
            trainer.train(8).unwrap();
            trainer.evaluate(Split::Train).unwrap();
            (trainer.model().unwrap(), trainer.moments().unwrap())
        };
        let second = |cpu: &Cpu, (model, moments): &(Model, Vec<Model>)| {
            let settings = training.settings.clone();
            let mut trainer = cpu::Trainer::new(cpu, &training.dataset, model, settings).unwrap();
            trainer.resume_at(8, moments).unwrap();
            trainer.train(3).unwrap();
            trainer.set_learning_rates(&rates).unwrap();
            trainer.train(9).unwrap();
            End::of(&mut trainer)
        };
        let alone = Cpu::new(Some(1)).unwrap();
        let middle = first(&alone);
        let end = second(&alone, &middle);
        for threads in &TEAMS[1..] {
            for own in together(threads, |cpu, _| first(&cpu)) {
                assert!(own == middle, "{threads:?}");
            }
            for own in together(threads, |cpu, _| second(&cpu, &middle)) {
                assert!(own.is(&end), "{threads:?}");
            }
        }
    }
}

/// Where one rank wants to stop, all do, at the same step, and go on as if nothing were.
#[test]
fn a_break_that_one_rank_wishes() {
    let training = training(&pixels(130, 60, 5, 8), &[33, 9], settings(32, |_| (), "asgd"), 3000);
    let alone = training.alone();
    for wishing in 0..3 {
        let ends = together(&[1, 2, 1], |cpu, channels| {
            let mut trainer = training.on(&cpu);
            let mut stops = Vec::new();
            while trainer.step() < training.steps {
                let mut rounds = 0;
                let left = training.steps - trainer.step();
                let mut submitted = |_| {
                    rounds += 1;
                    let wishes = channels.rank == wishing && rounds == 2;
                    if wishes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                trainer.train_while(left, &mut submitted).unwrap();
                stops.push(trainer.step());
            }
            (stops, End::of(&mut trainer))
        });
        assert!(ends[0].0.len() > 1, "{:?}", ends[0].0);
        assert!(ends.iter().all(|(stops, end)| *stops == ends[0].0 && end.is(&alone)), "{wishing}");
    }
}

/// What cannot be done together is refused by all, in one line, and one rank's refusal is everyone's.
#[test]
fn what_is_refused() {
    let dataset = circles();
    let initial = model(&dataset, &[9], &[1]);
    let spec = initial.spec().clone().with_batch_norm(true);
    let normalized = Init::Kaiming.model(&spec, &[1]).unwrap();
    let refused = together(&[1, 2], |cpu, _| {
        cpu::Trainer::new(&cpu, &dataset, &normalized, TrainSettings::default()).err().unwrap().to_string()
    });
    for error in refused {
        assert!(error.starts_with("--batch-norm: ") && error.contains("one process"), "{error}");
    }

    let refused = together(&[1, 1, 1], |cpu, channels| {
        let batch_size = if channels.rank == 1 { 1 << 30 } else { 64 };
        let settings = TrainSettings { batch_size, ..Default::default() };
        cpu::Trainer::new(&cpu, &dataset, &initial, settings).err().unwrap().to_string()
    });
    let named: Vec<bool> = refused.iter().map(|error| error.starts_with("--batch-size: ")).collect();
    assert_eq!(named, [false, true, false], "{refused:?}");
    assert!(refused[0].contains("another of the processes"), "{}", refused[0]);

    #[derive(Debug)]
    struct Confused;
    impl Exchange for Confused {
        fn rank(&self) -> usize {
            2
        }
        fn ranks(&self) -> usize {
            2
        }
        fn all_gather(&self, _all: &mut [u32], _lengths: &[usize]) {}
    }
    let cpu = || Device::open_with_threads(Some("cpu"), Some(1)).unwrap();
    let error = cpu().together(Arc::new(Confused)).err().unwrap();
    assert!(matches!(error, Error::Setting { .. }) && error.to_string().contains("rank 2 of 2"), "{error}");
    let name = asgd::gpu::adapters().swap_remove(0).info.name;
    let gpu = Device::open(Some(&name)).unwrap();
    let error = gpu.together(Channels::between(2)[0].clone()).err().unwrap().to_string();
    assert!(error.starts_with("--device: ") && error.contains("--device cpu"), "{error}");
}

/// Through the library's door; what is of each process alone needs no other.
#[test]
fn devices_together() {
    let dataset = images();
    let initial = model(&dataset, &[17, 9], &[1, 2]);
    let replica = |seed| ReplicaSettings { seed, ..Default::default() };
    let settings = TrainSettings { replicas: vec![replica(1), replica(2)], ..Default::default() };
    let train = |device: &Device, has_predictor: bool| {
        let mut trainer = Trainer::new(device, &dataset, &initial, settings.clone()).unwrap();
        trainer.train(20).unwrap();
        let model = trainer.model().unwrap();
        if has_predictor {
            asgd::Predictor::new(device, &model, &dataset.test).unwrap().evaluate().unwrap();
            trainer.last_reduction().unwrap();
            trainer.moments().unwrap();
        }
        let fitting = device.max_replicas(&dataset, initial.spec(), &settings);
        ((model, trainer.evaluate(Split::Test).unwrap()), fitting)
    };
    let cpu = || Device::open_with_threads(Some("cpu"), Some(2)).unwrap();
    let (alone, _) = train(&cpu(), true);
    let ends = Channels::between(3);
    let all: Vec<_> = std::thread::scope(|scope| {
        let (train, cpu) = (&train, &cpu);
        let rank =
            |end: Arc<Channels>| scope.spawn(move || train(&cpu().together(end.clone()).unwrap(), end.rank() == 1));
        let ranks: Vec<_> = ends.into_iter().map(rank).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    assert!(all.iter().all(|(end, fitting)| *end == alone && *fitting == all[0].1));
}

/// Words of a step: of each sample its hidden activations and all deltas, and the parameters that may have changed with their
/// moments, where rows are padded to eight; of the first layer only rows of active inputs, where others rest.
#[test]
fn only_what_has_changed_travels() {
    let dataset = pixels(64, 500, 10, 9);
    // Inputs that some sample of the only batch has: some of ten are 0 everywhere in so sparse data.
    let active = (0..500).filter(|&input| (0..64).any(|sample| dataset.train.sample(sample)[input] != 0.0)).count();
    let few = pixels(8, 500, 10, 9);
    let active_of_few = (0..500).filter(|&input| (0..8).any(|sample| few.train.sample(sample)[input] != 0.0)).count();
    assert!(active_of_few < 400 && active > active_of_few);
    let upper = (20 + 1) * 16 + 24;
    for (dataset, samples, active, optimizer, moments) in [
        (&dataset, 64, active, "asgd", 0),
        (&few, 8, active_of_few, "asgd", 0),
        (&few, 8, active_of_few, "aadam", 2),
        (&few, 8, 500, "adam", 2),
    ] {
        let training = training(dataset, &[20], settings(samples, |_| (), optimizer), 1);
        let words = |steps| {
            together(&[1, 2], |cpu, channels| {
                let mut trainer = training.on(&cpu);
                trainer.train(steps).unwrap();
                channels.words.load(Ordering::Relaxed)
            })
        };
        // Rounds are of one step and of up to four, and have four words for each rank.
        let (one, more) = (words(1), words(2));
        let expected = samples * (2 * 24 + 16) + (1 + moments) * (24 * active + upper) + 2 * 4;
        assert_eq!([more[0] - one[0], more[1] - one[1]], [expected; 2], "{optimizer} {samples}");
    }
}

/// Room for what is exchanged is foretold.
#[test]
fn bytes_are_foretold() {
    for (optimizer, clip_norm, hidden) in
        [("asgd", f32::INFINITY, vec![70, 33]), ("adam", 0.1, vec![]), ("sgd", 0.1, vec![3])]
    {
        let change = |replica: &mut ReplicaSettings| replica.optimizer.clip_norm = clip_norm;
        let training = training(&pixels(600, 40, 5, 5), &hidden, settings(64, change, optimizer), 5);
        let bytes =
            |cpu: &Cpu| cpu::Trainer::bytes(cpu, &training.dataset, training.initial.spec(), &training.settings, 1);
        let alone = bytes(&Cpu::new(Some(2)).unwrap());
        let all = together(&[2, 2], |cpu, channels| {
            let foretold = bytes(&cpu);
            let mut trainer = training.on(&cpu);
            trainer.train(training.steps).unwrap();
            trainer.evaluate(Split::Train).unwrap();
            (foretold, 4 * channels.most.load(Ordering::Relaxed) as u128)
        });
        for (foretold, most) in all {
            assert!(foretold >= alone + most && foretold < alone + 4 * most, "{foretold} {alone} {most}");
        }
    }
}
