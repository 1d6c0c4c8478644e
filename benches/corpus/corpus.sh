# The lockstep corpus: real programs, whose output is the same wherever they run. `corpus.sh SCALE`; the applets of one
# busybox are in PATH, next to `corpus` (the C program) and, where there is one, `perl`. A line of output a check.
scale=$1
here=$2
work=$(mktemp -d)
cd "$work" || exit 1
export LC_ALL=C TZ=UTC
say() { printf '%s: %s\n' "$1" "$(cat)"; }
sum() { sha256sum | cut -c1-16; }

seq 1 $((scale * 400)) >numbers
awk -v n=$((scale * 60)) 'BEGIN { x = 42; for (k = 0; k < n; k++) { x = (x * 16807) % 2147483647; printf "%d word%d %s\n", x, x % 97, (x % 3 ? "odd" : "even") } }' >words

# Hashes
for tool in md5sum sha1sum sha256sum sha512sum sha3sum; do $tool <numbers | cut -c1-24 | say $tool; done
cksum=$(crc32 numbers 2>/dev/null || cksum <numbers | cut -d' ' -f1); echo "$cksum" | cut -c1-8 | say crc

# Text
sort -r words | sum | say sort-r
sort -n -k1 words | sum | say sort-n
sort -u -k2,2 words | wc | tr -s ' ' | say sort-u
sort words | uniq -c -f1 | sum | say uniq
sed -e 's/word\([0-9]*\)/<\1>/' -e '/odd/d' -e 'y/evn/EVN/' -e '3,40{s/$/!/;}' words | sum | say sed
sed -n -e '2{h;d;}' -e '5{G;p;}' -e '$=' words | say sed-hold
grep -c 'word[1-4]\{2\} ' words | say grep
grep -E -o '[0-9]+7 word(9|1)' words | sum | say grep-E
tr 'a-y' 'b-z' <words | tr -d '0-9' | fold -w 37 | sum | say tr-fold
cut -d' ' -f2 words | rev | paste - - - | expand -t 12 | sum | say cut-rev-paste
tac words | head -n 20 | tail -n 5 | od -A d -t x2 -c | sum | say tac-od
hexdump -C words | head -n 50 | sum | say hexdump
xxd words | head -n 200 | sum | say xxd
nl words | shuf -n 0 | wc -c | tr -d ' ' | say nl
factor $((scale * 1000003)) 4294967291 600851475143 | say factor
expr \( 17 \* 3 + 5 \) / 7 % 5 | say expr
cal 2 2024 | tr -s ' \n' '..' | say cal
date -u -d @1700000000 '+%Y-%m-%dT%H:%M:%S %j %U' | say date

# Awk: floating point, arrays, regular expressions
awk '{ n[$2] += $1; s += $1 / 7.3; c += ($1 % 1000) / 3 - s / 1e9 }
     END { for (k in n) if (n[k] > m) m = n[k]; printf "%.0f %.6f %.9g %e\n", m, s, c, s / c }' words | say awk-float
awk '{ gsub(/[13579]/, "&&"); $1 = length($0) " " toupper(substr($2, 2, 3)); print index($0, "O"), $0 }' words | sum | say awk-text
awk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } BEGIN { print f(15) }' | say awk-recursion

# Arithmetic of any length
echo "2 $((scale * 10)) ^ p 9 k 2 v p 355 113 / p" | dc 2>&1 | tr -d '\\\\\n' | cut -c1-60 | say dc
echo "scale=25; e(1); s(1); a(1)*4; 2^200; sqrt(2)" | bc -l 2>&1 | tr -d '\\\\' | tr '\n' ' ' | say bc

# Compression and archives
gzip -9 <words >words.gz && gunzip <words.gz | cmp - words && echo same | say gzip
gzip -1 <numbers | zcat | sum | say gzip-1
bzip2 -c numbers 2>/dev/null | bzcat | sum | say bzip2
base64 words | base64 -d | sum | say base64
uuencode words <words | head -n 30 | sum | say uuencode
mkdir -p tree/a/b tree/c; for k in 1 2 3 4 5 6 7; do head -n $((k * 9)) words >tree/a/f$k; ln -s ../a/f$k tree/c/l$k; done
cp words tree/a/b/
tar cf - tree | (mkdir out; cd out && tar xf -) && diff -r tree out/tree && echo same | say tar
find tree -type f -size +1 -name 'f*' | sort | tr '\n' ' ' | say find
find tree -type l -exec readlink {} \; | sort | sum | say find-exec
diff -u tree/a/f3 tree/a/f5 | tail -n +3 | sum | say diff
diff -u tree/a/f3 tree/a/f5 >change; patch tree/a/f3 <change >messages && cmp tree/a/f3 tree/a/f5 && echo same | say patch
(cd tree && find . -type f | cpio -o -H newc 2>/dev/null) | cpio -t 2>/dev/null | sort | sum | say cpio
ls -l tree/a | awk '/^-/ { print $1, $5, $NF }' | sum | say ls
dd if=numbers of=part bs=7 skip=3 count=100 2>/dev/null; sum <part | say dd
test "$(printf '%s\n' b a c | xargs -n1 echo x | sort | tr -d '\n')" = 'x ax bx c' && echo right | say xargs

# Processes: many, with pipes between them, signals, fifos
n=0; for k in $(seq 1 $((scale * 2))); do n=$((n + $(echo $k | sed 's/$/0/' | (read v; expr $v / 2)))); done; echo $n | say forks
(for k in 1 2 3 4 5 6; do (seq $k $((k * 10)) | sort -rn | sum >job$k) & done; wait); cat job? | sum | say jobs
mkfifo pipe; (cat words >pipe &); sum <pipe | say fifo
sh -c 'trap "echo trapped; exit 3" TERM; kill -TERM $$; echo not reached' | say trap
sh -c 'exit 41'; echo $? | say status
(yes | head -n $((scale * 50)) | wc -l) | tr -d ' ' | say yes
(ulimit -n 20; sh -c 'exec 5<words; read a <&5; echo "$a"' | sum) | say redirect
timeout 5 sleep 0 && echo done | say timeout
i=0; s=; while [ $i -lt $((scale * 10)) ]; do i=$((i + 1)); case $i in *7*) s="$s$((i * i % 13))";; *) s=${s#?}x;; esac; done; echo "$s" | sum | say loop

corpus $((scale * 2)) 2>&1
if [ -n "$(command -v perl)" ]; then perl "$here/corpus.pl" "$scale" 2>&1; fi
cd / && rm -rf "$work"
