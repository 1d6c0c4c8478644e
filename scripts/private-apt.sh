# Debian's archive without root: sourced by the scripts that fetch guests.
#
# Lists, cache and apt's idea of the architecture are in the folder $state, for packages of $arch, so that the system's
# own are left as they are. Mirrors, proxies and keyrings are the system's. The script that sources this has `say`.

# Writes apt's configuration for the private state. It is given by -c, which apt reads after the system's configuration
# (that may name a proxy or a transport's options, or hooks that only root could run), and replaces only folders, the
# architecture and the hooks.
write_apt_config() {
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/sources.d"
    : >"$state/status"
    : >"$state/sources.list"
    cat >"$state/apt.conf" <<EOF
Dir::State "$state";
Dir::State::status "$state/status";
Dir::State::Lists "$state/lists";
Dir::Cache "$state/cache";
Dir::Etc::SourceList "$state/sources.list";
Dir::Etc::SourceParts "$state/sources.d";
Dir::Log "$state";
APT::Architecture "$arch";
#clear APT::Architectures;
APT::Architectures { "$arch"; };
APT::Sandbox::User "$(id -un)";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
EOF
}

# True of a sources file or line that is about Debian's own archive (and not some vendor's repository).
is_debian() { grep -Eq '(/debian|/debian-security)/?([[:space:]]|$)'; }

# Copies those of the system's sources that are Debian's, in both formats, without their restriction to architectures.
write_sources() {
    rm -f "$state"/sources.d/*
    : >"$state/sources.list"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] || continue
        grep -E '^[[:space:]]*deb[[:space:]]' "$file" | while IFS= read -r line; do
            if echo "$line" | is_debian; then
                echo "$line" | sed -E 's/\barch(\+|-)?=[^] ]*//; s/\[[[:space:]]*\]//'
            fi
        done >>"$state/sources.list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        if grep -i '^URIs:' "$file" | is_debian; then
            grep -vi '^Architectures:' "$file" >"$state/sources.d/$(basename "$file")"
        fi
    done
    if [ ! -s "$state/sources.list" ] && [ -z "$(ls "$state/sources.d")" ]; then
        say "no Debian source in /etc/apt: using deb.debian.org"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main" \
            >"$state/sources.list"
    fi
}

apt() { tool=$1; shift; "$tool" -c "$state/apt.conf" "$@"; }

# Reads the package lists. An archive in the middle of a change is no reason to stop: the lists that came will do.
read_lists() {
    write_apt_config
    write_sources
    say "reading the package lists (in $state)"
    apt apt-get -qq update >"$state/update.log" 2>&1 ||
        say "apt-get update had trouble (see $state/update.log); going on with the lists that came"
}
