//! x87 control: WAIT, initialisation, control and status word, environment, the whole state.
//! SDM volume 2: FINIT, FCLEX, FLDCW, FSTCW, FSTSW, FSTENV, FLDENV, FSAVE, FRSTOR, WAIT.
//!
//! The host does the work in its own 32-bit protected format (tag words, the registers that move
//! with TOP, ES by the masks); only the format and the pointers are the guest's.

use super::gate::{self, Wait};
use super::image::{Environment, Format, Pointers, adopt};
use super::{host_op, x87};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::interp::{Ctx, Handler};
use crate::state::Gpr;
use iced_x86::{Code, Instruction};

/// Bytes of the eight registers in FNSAVE's image.
const STACK_LEN: usize = 80;
/// Bytes of the environment in the host's format.
const HOST_ENV: usize = 28;

/// The handler of `code`, if it is a control instruction.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    Some(match code {
        C::Wait => wait::<B>,
        C::Fninit | C::Fnclex => reset::<B>,
        C::Fneni | C::Fndisi | C::Fnsetpm => nothing::<B>,
        C::Fldcw_m2byte => x87::load_control::<B>,
        C::Fnstcw_m2byte => store_control::<B>,
        C::Fnstsw_m2byte => store_status::<B>,
        C::Fnstsw_AX => status_to_ax::<B>,
        C::Fnstenv_m14byte | C::Fnstenv_m28byte => store_environment::<B>,
        C::Fldenv_m14byte | C::Fldenv_m28byte => load_environment::<B>,
        C::Fnsave_m94byte | C::Fnsave_m108byte => save::<B>,
        C::Frstor_m94byte | C::Frstor_m108byte => restore::<B>,
        _ => return None,
    })
}

/// Whether `code` is one of the control instructions here.
pub(super) fn is_control(code: Code) -> bool {
    lookup::<crate::testing::FlatBus>(code).is_some()
}

fn wait<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    gate::wait(ctx.s)?;
    gate::pending(ctx).map(drop)
}

/// FNENI, FNDISI (8087) and FNSETPM (80287) do nothing since the 80387.
fn nothing<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)
}

/// Runs one of the host's instructions on the guest's state, which it may change; `hidden` as for
/// `HostUnit::load`. Nothing is committed.
fn on_host<B: Bus>(ctx: &mut Ctx<'_, B>, code: Code, hidden: u16) -> Result<(), Exception> {
    let host = &mut ctx.unit.host;
    host.prepare(&host_op::plain(code)).ok_or(Exception::ud())?;
    host.load(&ctx.s.fpu, hidden);
    host.run();
    Ok(())
}

/// Makes the frame's image the guest's.
fn commit<B: Bus>(ctx: &mut Ctx<'_, B>, pointers: Option<Pointers>) {
    let before = ctx.s.fpu.unmasked();
    adopt(ctx.s, &ctx.unit.host.frame().fx);
    if let Some(pointers) = pointers {
        ctx.s.fpu.set_pointers(&pointers);
    }
    gate::settle_ferr(ctx, before);
}

/// FNINIT and FNCLEX.
fn reset<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    super::claim(ctx.s);
    on_host(ctx, i.code(), 0)?;
    commit(ctx, (i.code() == Code::Fninit).then(Pointers::default));
    Ok(())
}

fn store_control<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    super::claim(ctx.s);
    let (seg, off) = ctx.ea(i);
    ctx.write_u16(seg, off, ctx.s.fpu.fcw())
}

fn store_status<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    super::claim(ctx.s);
    let (seg, off) = ctx.ea(i);
    ctx.write_u16(seg, off, ctx.s.fpu.fsw())
}

fn status_to_ax<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    super::claim(ctx.s);
    ctx.set_gpr_low(Gpr::Eax, 2, u32::from(ctx.s.fpu.fsw()));
    Ok(())
}

/// The format of `i` in the current mode.
fn format<B: Bus>(ctx: &Ctx<'_, B>, i: &Instruction) -> Format {
    use Code as C;
    let wide = matches!(
        i.code(),
        C::Fnstenv_m28byte | C::Fldenv_m28byte | C::Fnsave_m108byte | C::Frstor_m108byte
    );
    Format { wide, real: !ctx.s.protected() || ctx.s.v86() }
}

/// The host's format: the words are at the same places, the pointers do not matter.
const HOST: Format = Format { wide: true, real: false };

/// What FNSTENV or FNSAVE left in the frame, in the guest's format.
fn environment_out<B: Bus>(ctx: &mut Ctx<'_, B>, format: Format) -> [u8; HOST_ENV] {
    let words = HOST.load(&ctx.unit.host.frame().mem).words;
    format.store(&Environment { words, pointers: ctx.s.fpu.pointers() })
}

/// Lays the guest's environment out in the frame for FLDENV or FRSTOR.
fn environment_in<B: Bus>(ctx: &mut Ctx<'_, B>, env: &Environment) {
    let pointers = Pointers::default();
    let bytes = HOST.store(&Environment { words: env.words, pointers });
    ctx.unit.host.frame().mem[..HOST_ENV].copy_from_slice(&bytes);
}

fn store_environment<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    super::claim(ctx.s);
    on_host(ctx, Code::Fnstenv_m28byte, 0)?;
    let format = format(ctx, i);
    let bytes = environment_out(ctx, format);
    let (seg, off) = ctx.ea(i);
    ctx.write_mem(seg, off, &bytes[..format.len()])?;
    commit(ctx, None);
    Ok(())
}

fn load_environment<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    let Wait::Go(hidden) = gate::pending(ctx)? else { return Ok(()) };
    let format = format(ctx, i);
    let (seg, off) = ctx.ea(i);
    let mut bytes = [0; HOST_ENV];
    ctx.read_mem(seg, off, &mut bytes[..format.len()])?;
    let env = format.load(&bytes);
    environment_in(ctx, &env);
    on_host(ctx, Code::Fldenv_m28byte, hidden)?;
    commit(ctx, Some(env.pointers));
    Ok(())
}

fn save<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    super::claim(ctx.s);
    on_host(ctx, Code::Fnsave_m108byte, 0)?;
    let format = format(ctx, i);
    let env = environment_out(ctx, format);
    let mut bytes = [0; HOST_ENV + STACK_LEN];
    let len = format.len();
    bytes[..len].copy_from_slice(&env[..len]);
    let stack = &ctx.unit.host.frame().mem[HOST_ENV..HOST_ENV + STACK_LEN];
    bytes[len..len + STACK_LEN].copy_from_slice(stack);
    let (seg, off) = ctx.ea(i);
    ctx.write_mem(seg, off, &bytes[..len + STACK_LEN])?;
    commit(ctx, Some(Pointers::default()));
    Ok(())
}

fn restore<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    gate::x87(ctx.s)?;
    let Wait::Go(hidden) = gate::pending(ctx)? else { return Ok(()) };
    let format = format(ctx, i);
    let (seg, off) = ctx.ea(i);
    let mut bytes = [0; HOST_ENV + STACK_LEN];
    let len = format.len();
    ctx.read_mem(seg, off, &mut bytes[..len + STACK_LEN])?;
    let env = format.load(&bytes);
    environment_in(ctx, &env);
    ctx.unit.host.frame().mem[HOST_ENV..HOST_ENV + STACK_LEN]
        .copy_from_slice(&bytes[len..len + STACK_LEN]);
    on_host(ctx, Code::Frstor_m108byte, hidden)?;
    commit(ctx, Some(env.pointers));
    Ok(())
}
