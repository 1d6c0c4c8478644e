use ringer::{BootSource, ClockKind, Engine, Flat, Machine, Stop, Until};

#[test]
fn probe() {
    let mut bad = Vec::new();
    for engine in [Engine::Bt, Engine::Interp, Engine::Lockstep] {
        for n in 1..6000u64 {
            if n > 200 && n < 4900 { continue; }
            let boot = BootSource::Flat(Flat::new([0x90u8, 0x0f, 0xa2, 0xeb, 0xfb], 0x8000));
            let mut m = Machine::builder().memory(1 << 20).engine(engine).clock(ClockKind::Virtual).boot(boot).build().unwrap();
            let end = m.run(&Until::new().instructions(n)).unwrap();
            assert_eq!(end, Stop::InstructionLimit);
            if m.instructions() != n { bad.push((engine, n, m.instructions())); }
        }
    }
    println!("{} {:?}", bad.len(), &bad[..bad.len().min(20)]);
}
