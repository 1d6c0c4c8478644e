#!/bin/sh
# Debian's kernel mounts a folder of the host's (--share): what is there is read, links lead nowhere outside, nothing is changed unless
# that was asked for, and then the host finds what the guest wrote. sh scripts/share-check.sh
set -eu
cd "$(dirname "$0")/.."
RINGER_INITRD=share sh scripts/disk-guest.sh
ringer=$(realpath "${CARGO_TARGET_DIR:-target}")/release/ringer
guest=$PWD/guests/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fail() { echo "share-check: $step: $*" >&2; tail -n 40 out said >&2; exit 1; }
expect() { grep -q -- "$1" out || fail "the guest did not say \"$1\""; }
boot() {
    script=$(echo "$1" | tr '\n ' '~~'); shift
    "$ringer" run --kernel "$guest/vmlinuz" --initrd "$guest/share.gz" -m 256M --timeout 120 --sandbox require \
        --append "console=ttyS0 quiet nokaslr ringer.run=$script" "$@" </dev/null >out 2>said || fail "the run ended with $?: $(cat said)"
}
mkdir -p shared/tree/deep
for n in $(seq 300); do echo "$n" >"shared/tree/deep/file-$n"; done
head -c 20000000 /dev/urandom >shared/big
sum=$(sha256sum <shared/big | cut -d' ' -f1)
echo secret >secret
ln -s ../secret shared/out
ln -s "$work/secret" shared/far
mount='modprobe 9pnet_virtio; modprobe 9p; mkdir /m; mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 TAG /m && echo mounted;'

step=read
boot "$(echo "$mount" | sed s/TAG/share/) ls /m | wc -l; find /m/tree -type f | wc -l; cat /m/tree/deep/file-77; sha256sum /m/big;
    cat /m/out; cat /m/far; cat /m/../secret; cat /m/tree/../../secret;
    echo x >/m/new || echo no-new; echo x >>/m/big || echo no-more; rm /m/big || echo no-rm; mkdir /m/d || echo no-dir; mv /m/big /m/c || echo no-mv; chmod 7 /m/big || echo no-chmod" --share shared
for line in '^mounted' '^4' '^300' '^77' "$sum" '^no-new' '^no-more' '^no-rm' '^no-dir' '^no-mv' '^no-chmod'; do expect "$line"; done
! grep -q '^secret' out || fail "the guest was told what is outside"
[ "$(find . | wc -l)" = 310 ] && [ "$(sha256sum <shared/big | cut -d' ' -f1)" = "$sum" ] || fail "the folder was changed"
echo "share-check: $step: well"

step=write
boot "$(echo "$mount" | sed s/TAG/home/) cd /m; cp -r tree copy; rm -r tree; mv copy/deep moved; echo more >>moved/file-1; ln moved/file-2 second; ln -s file-3 moved/link;
    cat moved/link; chmod 600 second; touch -d @1000000 second; dd if=big of=big2 bs=100000 2>/dev/null; sync; mkdir a; rmdir a; echo z >t; exec 3<t; rm t; cat <&3; df /m | tail -n 1 | wc -l; cd /; umount /m; echo out" \
    --share shared,tag=home,rw
for line in '^mounted' '^3' '^z' '^out'; do expect "$line"; done
cmp -s shared/big shared/big2 || fail "a copy is not what it is a copy of"
[ "$(cat shared/moved/file-1)" = "1
more" ] && [ "$(find shared/moved -type f | wc -l)" = 300 ] && [ ! -e shared/tree ] && [ ! -e shared/a ] && [ ! -e shared/t ] || fail "the folder is not as the guest left it"
[ "$(stat -c '%a %Y %h' shared/second)" = '600 1000000 2' ] && [ "$(readlink shared/moved/link)" = file-3 ] || fail "a file's rights, time or names are not as the guest left them"
[ "$(cat secret)" = secret ] && [ "$(find . -maxdepth 1 | wc -l)" = 5 ] || fail "something outside was changed"
echo "share-check: $step: well"
