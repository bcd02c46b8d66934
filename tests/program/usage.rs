//! Mistyped command lines: what was probably meant, what a value must be, which devices there are.

use std::fs;

use tempfile::TempDir;

use crate::command::{adapter, asgd, refuses, run, without_adapters};

#[test]
fn names_that_are_nearly_right_are_understood() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (arguments, meant) in [
        ("train --epoch 3", "'--epochs'"),
        ("train --optimiser sgd", "'--optimizer'"),
        ("train --max-grad-norm 1", "'--clip-norm'"),
        ("train --dropout-rate 0.5", "'--dropout'"),
        ("train --dropout-inputs 0.5", "'--input-dropout'"),
        ("train --batchsize 3", "'--batch-size'"),
        ("train --batch_size 3", "'--batch-size'"),
        ("train --replica 3", "'--replicas'"),
        ("train --hiden 3", "'--hidden'"),
        ("predict m.safetensors x.csv --lable 2", "'--label'"),
        ("trian", "'train'"),
        ("evalute m.safetensors x.csv", "'evaluate'"),
        ("experimnt 1", "'experiment'"),
        ("completions bas", "'bash'"),
        ("data fetch mnits", "'mnist'"),
        ("evaluate m.safetensors x.csv --split tests", "'test'"),
        // What other programs call it.
        ("train --learning-rate 0.1", "'--lr'"),
        ("train --learning_rate=0.1", "'--lr'"),
        ("train --lrate 0.1", "'--lr'"),
        ("train --batch 3", "'--batch-size'"),
        ("train --bs 3", "'--batch-size'"),
        ("train -b 3", "'--batch-size'"),
        ("train --hidden-layers 3", "'--hidden'"),
        ("train --seeds 3", "'--replicas'"),
        ("train --random-state 3", "'--seed'"),
        ("train --gpu", "'--device'"),
        ("train --n-jobs 2", "'--threads'"),
        ("train --target kind", "'--label'"),
        ("experiment 1 --learning-rate 0.1", "'--lr'"),
        ("fit x.csv", "'train'"),
        ("fetch mnist", "'data fetch'"),
    ] {
        refuses(path, arguments, 2, &[meant, "(see asgd"]);
    }
    refuses(path, "train --xyzzy", 2, &["'--xyzzy' found (see asgd train --help)"]);
    // An option of another command is none of this one.
    refuses(path, "devices --learning-rate 3", 2, &["'--learning-rate' found (see asgd devices --help)"]);
    for (arguments, meant) in [
        ("train --optimizer agsd", "'asgd'"),
        ("train --optimizer ASGD", "'asgd'"),
        ("train --scale standrd", "'standard'"),
        ("train --order shufled", "'shuffled'"),
        ("train --init kamming", "'kaiming'"),
        ("train --header yess", "'yes'"),
    ] {
        refuses(path, arguments, 2, &["expected ", &format!("did you mean {meant}?")]);
    }
    for (arguments, meant) in [
        ("train mnsit", "'mnist'"),
        ("train circels", "'circles'"),
        ("train Spirals", "'spirals'"),
        ("train fashion_mnist", "'fashion-mnist'"),
        ("train kminst", "'kmnist'"),
    ] {
        refuses(path, arguments, 1, &["no such file or folder", &format!("did you mean {meant}?")]);
    }
}

#[test]
fn negative_numbers_are_values_that_are_wrong() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    for (arguments, words) in [
        ("train --lr -1", ["'-1' for '--lr", "must be a finite number above 0"]),
        ("train --lr -.5", ["'-.5' for '--lr", "must be a finite number above 0"]),
        ("train --lr -inf", ["'-inf' for '--lr", "must be a finite number above 0"]),
        ("train --seed -3", ["'-3' for '--seed", "must be a whole number of at least 0"]),
        ("train --data-seed -3", ["'-3' for '--data-seed", "must be a whole number of at least 0"]),
        ("train --noise -0.5", ["'-0.5' for '--noise", "must be a finite number of at least 0"]),
        ("train --replicas -2", ["'-2' for '--replicas", "must be a whole number of at least 1"]),
        ("train --epsilon -1e-3", ["'-1e-3' for '--epsilon", "must be a finite number of at least 0"]),
        ("train --samples -5", ["'-5' for '--samples", "must be a whole number of at least 0"]),
        ("train --threads -1", ["'-1' for '--threads", "must be a whole number of at least 1"]),
        ("train --hidden -3", ["'-3' for '--hidden", "write for example 30,20"]),
        ("train --test-fraction -0.1", ["'-0.1' for '--test-fraction", "must be a number above 0 and below 1"]),
        ("train --classes -2", ["'-2' for '--classes", "must be a whole number of at least 2"]),
        ("predict m.safetensors x.csv --replica -1", ["'-1' for '--replica", "must be a whole number of at least 0"]),
        ("inspect m.safetensors x.csv --batches -1", ["'-1' for '--batches", "must be a whole number of at least 1"]),
        ("experiment 1 --lr -1", ["'-1' for '--lr", "must be a finite number above 0"]),
        ("data fetch mnist --timeout -1", ["'-1' for '--timeout", "negative"]),
        // Numbers that are none.
        ("train --seed 1.5", ["'1.5' for '--seed", "must be a whole number of at least 0"]),
        ("train --seed 99999999999999999999", ["for '--seed", "must be a smaller number"]),
    ] {
        refuses(path, arguments, 2, &words);
    }
    refuses(path, "train --quiet -1", 2, &["unexpected value '-1' for '--quiet'"]);
    refuses(path, "train --seed --epochs 3", 2, &["a value is required for '--seed"]);
    // Where they make sense, they are taken.
    fs::write(path.join("x.csv"), "-1,b\n0.5,1\n1,0\n0.25,1\n0.75,0\n0.1,1\n0.2,0\n").unwrap();
    let output = asgd(path, "train x.csv --label -1 --steps 1 --force-classes --out run").output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains("unexpected"), "{output:?}");
}

#[test]
fn devices_that_are_none_are_explained() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let word = adapter();
    let slip = format!("{}x", &word[..word.len() - 1]);
    for (name, words) in [
        ("cuda", ["'cuda'", "a way to reach a device"]),
        ("cuda:0", ["'cuda:0'", "a way to reach a device"]),
        ("Vulkan", ["'Vulkan'", "a way to reach a device"]),
        ("metal", ["'metal'", "a way to reach a device"]),
        ("0", ["'0'", "devices have names, not numbers"]),
        ("auto", ["'auto'", "without --device, the best one is taken"]),
        ("cup", ["'cup'", "did you mean 'cpu'?"]),
        (&slip, [&slip, &format!("did you mean '{word}'?")]),
        ("nvidiaa", ["'nvidiaa'", "see `asgd devices`"]),
    ] {
        refuses(path, &format!("train --device {name}"), 2, &words);
        refuses(path, &format!("train --device {name}"), 2, &["--device: no device", "there is: cpu", &word]);
    }
    let output = without_adapters(&mut asgd(path, "train --device gpu")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if cfg!(target_os = "linux") {
        assert!(output.status.code() == Some(2) && said.contains("there is no GPU"), "{said}");
    }
}

/// What other programs on wgpu go by is not used, which is said.
#[test]
fn variables_of_wgpu_are_not_used() {
    let folder = TempDir::new().unwrap();
    let word = adapter();
    let say = |arguments: &str, variables: &[(&str, &str)]| {
        let output = asgd(folder.path(), arguments).envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let name = [("WGPU_ADAPTER_NAME", word.as_str())];
    let said = say("train --steps 1 --out run", &name);
    let line = said.lines().find(|line| line.starts_with("device ")).unwrap();
    assert!(line.ends_with("WGPU_ADAPTER_NAME is set but not used, --device chooses"), "{said}");
    let both = [("WGPU_BACKEND", "vulkan"), ("WGPU_POWER_PREF", "high")];
    let said = say("devices", &both);
    assert!(
        said.trim_end().ends_with("WGPU_BACKEND and WGPU_POWER_PREF are set but not used, --device chooses"),
        "{said}"
    );
    assert!(say("train --device voodoo", &name).contains("WGPU_ADAPTER_NAME is set but not used"));
    // Nothing is said where it makes no difference.
    assert!(!say("train --steps 1 --device cpu --out run", &name).contains("WGPU_"));
    assert!(!say("train --steps 1 --out run", &[("WGPU_BACKEND", "")]).contains("WGPU_"));
    // And a run resumes, whatever they are.
    assert!(say("train --resume run", &both).contains("test accuracy"));
}

#[cfg(unix)]
#[test]
fn names_need_be_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let folder = TempDir::new().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"bad\xff");
    let status = asgd(folder.path(), "train --epochs 1 --quiet --out").arg(name).status().unwrap();
    assert!(status.success() && folder.path().join(name).join("model.safetensors").exists());
}

#[test]
fn negative_values_are_read_again_on_resume() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    run(path, "train --hidden 5 --epochs 2 --validation -0 --quiet --out run");
    run(path, "train --resume run --epochs 3 --quiet");
}
