//! What CPUID says of each model.

use super::*;

#[test]
fn leaves_beyond_the_last_answer_as_the_last() {
    let p4 = CpuModel::PENTIUM4;
    assert_eq!(p4.cpuid(3, 0, true), p4.cpuid(2, 0, true));
    assert_eq!(p4.cpuid(0x4000_0000, 0, true), p4.cpuid(2, 0, true));
    assert_eq!(p4.cpuid(0x8000_0005, 0, true), p4.cpuid(2, 0, true));
    let p5 = CpuModel::PENTIUM;
    assert_eq!(p5.cpuid(2, 0, true), p5.cpuid(1, 0, true));
    assert_eq!(p5.cpuid(EXTENDED, 0, true), p5.cpuid(1, 0, true));
}

#[test]
fn the_brand_string_is_whole() {
    let p4 = CpuModel::PENTIUM4;
    let text: Vec<u8> = (2..=4)
        .flat_map(|n| p4.cpuid(EXTENDED + n, 0, true))
        .flat_map(u32::to_le_bytes)
        .take_while(|&b| b != 0)
        .collect();
    assert_eq!(text, b"Ringer Virtual CPU (Pentium 4)");
}

#[test]
fn the_later_leaves_tell_the_later_features() {
    let max = CpuModel::MAX;
    let [last, ..] = max.cpuid(0, 0, false);
    assert_eq!((last, max.cpuid(EXTENDED, 0, false)[0]), (XSAVE_LEAF, EXTENDED_LAST_MAX));
    let [_, ebx, ecx, _] = max.cpuid(7, 0, false);
    let [smep, bmi, seed, adx] = [1 << 7, 1 << 3 | 1 << 8, 1 << 18, 1 << 19];
    let wanted = smep | bmi | seed | adx | 1 << 20;
    assert_eq!(ebx & wanted, wanted, "and SMAP");
    assert_eq!(ecx, 1 << 2, "UMIP");
    assert_eq!(max.cpuid(7, 1, false), [0; 4]);
    let [.., ecx, edx] = max.cpuid(0x8000_0001, 0, false);
    assert_eq!((ecx, edx), (1 << 5, 1 << 27 | 1 << 20), "LZCNT; RDTSCP, NX");
    assert_eq!(max.cpuid(1, 0, false)[3] & (1 << 9 | 1 << 12), 1 << 9 | 1 << 12, "APIC, MTRR");
    assert_eq!(max.cpuid(0x4000_0000, 0, false), max.cpuid(XSAVE_LEAF, 0, false));
    assert_eq!(max.cpuid(XSAVE_LEAF, 1, false), [1, 0, 0, 0]);
    let sse = max.with_features(max.features() - Features::AVX);
    assert_eq!(sse.cpuid(XSAVE_LEAF, 0, false), [3, 0, 576, 0]);
    assert_eq!(sse.cpuid(XSAVE_LEAF, 2, false), [0; 4]);
    for older in [CpuModel::PENTIUM3, CpuModel::PENTIUM4] {
        assert_eq!(older.cpuid(1, 0, false)[3] & 1 << 9, 0, "{older:?}");
        assert_eq!(older.cpuid(0x8000_0001, 0, false)[3] & 1 << 20, 0, "{older:?}");
    }
}

#[test]
fn a_limit_that_is_lifted_shows_the_capabilities() {
    let p4 = CpuModel::PENTIUM4;
    assert_eq!(p4.misc_enable(), misc_enable::LIMIT_CPUID);
    assert_eq!((p4.cpuid(0, 0, true)[0], p4.cpuid(0, 0, false)[0]), (2, 7));
    assert_eq!(p4.cpuid(7, 0, true), p4.cpuid(2, 0, true));
    assert_eq!(p4.cpuid(2, 0, true), p4.cpuid(2, 0, false));
    for leaf in 3..=6 {
        assert_eq!(p4.cpuid(leaf, 0, false), [0; 4], "leaf {leaf}");
    }
    assert_eq!(p4.cpuid(7, 0, false), [0, 0, 0, HAS_ARCH_CAPABILITIES]);
    assert_eq!(p4.cpuid(7, 1, false), [0; 4]);
    assert_eq!(p4.cpuid(8, 0, false), p4.cpuid(7, 0, false));
    assert_eq!(CpuModel::MAX.cpuid(7, 0, false)[3], HAS_ARCH_CAPABILITIES);
    assert_eq!(CpuModel::MAX.misc_enable(), 0);
    for older in [CpuModel::I486, CpuModel::PENTIUM, CpuModel::PENTIUM3] {
        assert_eq!(older.arch_capabilities(), None, "{older:?}");
        assert_eq!(older.cpuid(7, 0, false), older.cpuid(7, 0, true), "{older:?}");
        assert!(older.cpuid(0, 0, false)[0] <= 2, "{older:?}");
    }
}

#[test]
fn vendor_and_features() {
    let [max, b, c, d] = CpuModel::I486.cpuid(0, 0, true);
    assert_eq!((max, b, d, c), (1, 0x756e_6547, 0x4965_6e69, 0x6c65_746e));
    assert_eq!(CpuModel::I486.cpuid(1, 0, true)[3], 1);
    assert!(!CpuModel::PENTIUM3.features().contains(Features::SSE2));
    assert!(CpuModel::PENTIUM4.features().contains(Features::SSE2 | Features::PAE));
}
