#!/bin/sh
# A day's work from a CSV to a pruned, exported network, as docs/guide.md tells it. Needs asgd on the PATH and an empty
# folder to work in; tests/daily_work.rs runs it.
set -eu

say() { echo; echo "\$ $*"; "$@"; }
expect() { # expect WORDS COMMAND...: the command succeeds and says the words
    words=$1
    shift
    output=$("$@" 2>&1) || { echo "failed: $*"; echo "$output"; exit 1; }
    echo; echo "\$ $*"; echo "$output"
    case $output in *"$words"*) ;; *) echo "expected '$words'"; exit 1 ;; esac
}

# 1. Data people have: three kinds of flowers, four measurements, the name last.
awk 'BEGIN {
    srand(7)
    split("setosa versicolor virginica", kind, " ")
    split("5.0 3.4 1.5 0.2 5.9 2.8 4.3 1.3 6.6 3.0 5.6 2.0", mean, " ")
    print "sepal length,sepal width,petal length,petal width,species"
    for (i = 0; i < 150; i++) {
        k = i % 3
        for (j = 1; j <= 4; j++) printf "%.2f,", mean[4 * k + j] + (rand() + rand() + rand() - 1.5) * 0.5
        print kind[k + 1]
    }
}' > flowers.csv

expect "test accuracy" asgd train flowers.csv --batch-size 16 --hidden 30,20 --lr 0.05 --epochs 300 --seed 3 --out flowers
for file in model.safetensors counts.safetensors metrics.csv learning_curve.svg report.html run.json settings.json; do
    test -s "flowers/$file" || { echo "flowers/$file is missing"; exit 1; }
done

# 2. Checkpoints: Ctrl-C, then go on.
asgd train circles --epochs 100000 --checkpoint-every 50 --out long > long.log 2>&1 &
pid=$!
until test -e long/checkpoints/replicas-0-1.safetensors; do sleep 0.1; done
kill -TERM $pid
wait $pid && { echo "an interrupted run must not succeed"; exit 1; }
grep -q "asgd train --resume long" long.log || { cat long.log; exit 1; }
expect "resume" asgd train --help

# Rates that fall, and replicas that stop by themselves.
expect "test accuracy" asgd train flowers.csv --schedule cosine:0.01 --warmup 5 --epochs 300 --out cosine
expect "at the best validation loss" asgd train flowers.csv --validation 0.2 --patience 10 --epochs 1000 --replicas 8 --out stopped

# Another activation, and what counts of it.
expect "count threshold" asgd train flowers.csv --activation tanh --count-threshold 0,0.01,0.1 --epochs 50 --out tanh

# 3. Beside another run; looking inside.
asgd train flowers.csv --batch-size 16 --hidden 30,20 --optimizer sgd --lr 0.05 --epochs 300 --seed 3 --quiet --out flowers-sgd
expect "compare.svg" asgd compare flowers flowers-sgd
expect "true dummies" asgd inspect flowers/model.safetensors flowers.csv --batch-size 16 --figure counts.svg
grep -q "adaptive batch size" counts.svg

# 4. Compressing; the pruned network trains on.
expect "bit for bit" asgd prune flowers/model.safetensors flowers.csv -o small.safetensors
expect "test accuracy" asgd train flowers.csv --init small.safetensors --batch-size 16 --epochs 20 --out further

# 5. Using the result.
expect "set aside in training from 150 rows: 45 samples" asgd evaluate small.safetensors flowers.csv
cut -d, -f1-4 flowers.csv > measured.csv
expect "class,probability" asgd predict small.safetensors measured.csv
asgd predict small.safetensors - < measured.csv > classes.csv
test "$(wc -l < classes.csv)" -eq 151
right=$(paste -d, flowers.csv classes.csv | awk -F, 'NR > 1 && $5 == $6' | wc -l)
test "$right" -ge 130 || { echo "only $right of 150 are right"; exit 1; }
expect "probabilities" asgd export small.safetensors -o flowers.onnx
test -s flowers.onnx

# 6. Numbers instead of classes: prices that area, rooms and age tell.
awk 'BEGIN {
    srand(3)
    print "area,rooms,age,price"
    for (i = 0; i < 400; i++) {
        area = 30 + 220 * rand(); rooms = 1 + int(8 * rand()); age = 90 * rand()
        price = 50000 + 2800 * area + 15000 * rooms - 900 * age + 18000 * (rand() + rand() - 1)
        printf "%.1f,%d,%.1f,%.2f\n", area, rooms, age, price
    }
}' > houses.csv
expect "test R²" asgd train houses.csv --label price --out houses
expect "RMSE" asgd evaluate houses/model.safetensors houses.csv
cut -d, -f1-3 houses.csv > new.csv
asgd predict houses/model.safetensors new.csv > prices.csv
close=$(paste -d, houses.csv prices.csv | awk -F, 'NR > 1 && $5 > 0.8 * $4 && $5 < 1.2 * $4' | wc -l)
test "$close" -ge 300 || { echo "only $close of 400 prices are near"; exit 1; }

# 7. Diverged runs are marked; the others go on.
expect "diverged" asgd train flowers.csv --optimizer sgd --lr 1e30 --epochs 3 --replicas 2 --out diverged
tail -1 diverged/metrics.csv

# 8. Documentation.
expect "_asgd" asgd completions bash
expect "" asgd man man
test -s man/asgd-train.1
echo
echo "all done"
