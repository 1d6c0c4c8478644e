# The perl part of the corpus: a large dynamically linked program (the loader, libc, libm, threads' storage in GS).
use strict;
my $n = shift;
my @v = map { ($_ * 7919) % 10007 } 1 .. $n * 40;
printf "p/sort %s\n", join ',', (sort { $a <=> $b } @v)[0, 1, 2, -2, -1];
my %h; $h{ $_ % 101 } .= chr(65 + $_ % 26) for @v;
printf "p/hash %d %s\n", scalar keys %h, substr($h{7}, 0, 12);
my ($s, $c) = (0, 0);
for my $k (1 .. $n * 40) { $s += sqrt($k) * sin($k) - log($k) / 3; $c += atan2($k, 2) ** 1.5 + int($k / 7) % 5; }
printf "p/float %.6f %.6f\n", $s, $c;
my $t = join ' ', map { "item$_" } 1 .. $n * 10;
my $m = () = $t =~ /m(\d)\d*\1\b/g;
(my $u = $t) =~ s/(\w+?)(\d+)/$2.uc($1)/ge;
printf "p/regex %d %u\n", $m, unpack '%32C*', $u;
my $f = 1; $f = ($f * $_) % 1000003 for 1 .. $n * 50;
printf "p/integer %d %s\n", $f, pack('N n C', 305419896, 4660, 18) eq "\x12\x34\x56\x78\x12\x34\x12" ? 'ok' : 'WRONG';
my $got = 0; local $SIG{USR1} = sub { $got++ }; kill USR1 => $$ for 1 .. 5;
my $alarm = eval { local $SIG{USR2} = sub { die "out\n" }; kill USR2 => $$; 1 } ? "in\n" : $@;
printf "p/signals %d %s", $got, $alarm;
my $sum = 0;
for my $k (1 .. 5) {
    pipe my $r, my $w or die; my $pid = fork;
    if (!$pid) { close $r; print $w join(',', map { $_ * $k } 1 .. 100), "\n"; close $w; exit $k }
    close $w; $sum += $_ for split /,/, <$r>; waitpid $pid, 0; $sum += $? >> 8;
}
printf "p/processes %d\n", $sum;
my @m = ([1, 1], [1, 0]); my @p = ([1, 0], [0, 1]);
for (1 .. 30) { @p = map { my $r = $_; [map { my $j = $_; $p[$r][0] * $m[0][$j] + $p[$r][1] * $m[1][$j] } 0, 1] } 0, 1 }
printf "p/matrix %d\n", $p[0][1];
