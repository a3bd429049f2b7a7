#!/usr/bin/env bash
# a two-node SLURM in folder $1, alone in its network namespace; ends when standard input does
set -eu
dir=$1
here=$(dirname "$(readlink -f "$0")")
ip link set lo up
ip addr add 10.99.0.1/32 dev lo # SLURM wants an address beside the loopback's own
mkdir -p "$dir/state" "$dir/spool.n1" "$dir/spool.n2"
chmod 755 "$dir"
sed -e "s#@DIR@#$dir#g" -e "s#@HOST@#$(hostname -s)#g" "$here/slurm.conf" >"$dir/slurm.conf"
export SLURM_CONF=$dir/slurm.conf
head -c 1024 /dev/urandom >"$dir/munge.key"
chmod 400 "$dir/munge.key"
munged --force --key-file="$dir/munge.key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munge.seed" --num-threads=2
slurmctld -f "$SLURM_CONF" -c
slurmd -f "$SLURM_CONF" -N n1
slurmd -f "$SLURM_CONF" -N n2
for _ in $(seq 200); do
    if [ "$(sinfo -h -N -o %t 2>/dev/null | grep -c idle)" = 2 ]; then break; fi
    sleep 0.1
done
[ "$(sinfo -h -N -o %t | grep -c idle)" = 2 ]
echo ready
cat >/dev/null
scancel -u root || true
for name in slurmd.n1 slurmd.n2 slurmctld munged; do
    kill "$(cat "$dir/$name.pid")" || true
done
