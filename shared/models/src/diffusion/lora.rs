//! Low-rank additions to the attention of a UNet (Hu et al. 2021, arXiv 2106.09685, equation 3), in
//! the form that diffusers and PEFT keep them: for a weight W `[out, in]` two factors, `lora_A`
//! `[rank, in]` and `lora_B` `[out, rank]`, and W + `lora_B` `lora_A` in the place of W. A scale is
//! multiplied into `lora_B`, so that whoever reads the file needs to know none.

use tch::{TchError, Tensor};

use super::Unet;
use super::parameters::Variables;
use crate::WeightsError;

/// The file's name in diffusers' layout.
pub const LORA_FILE: &str = "pytorch_lora_weights.safetensors";

/// The matrices that additions are learned for, as in diffusers' own training scripts.
const TARGETS: [&str; 4] = ["to_q", "to_k", "to_v", "to_out.0"];
const NETWORK: &str = "unet.";

/// The names of the two factors of a UNet's weight; none where no addition is learned for it.
pub fn lora_factors(weight: &str) -> Option<[String; 2]> {
    let module = weight.strip_suffix(".weight")?;
    let is_target = module.contains(".transformer_blocks.")
        && TARGETS.iter().any(|target| module.ends_with(&format!(".{target}")));
    let factor = |which: &str| format!("{NETWORK}{module}.lora_{which}.weight");
    is_target.then(|| [factor("A"), factor("B")])
}

/// W + scale B A.
pub fn lora_sum(weight: &Tensor, [down, up]: [&Tensor; 2], scale: f64) -> Result<Tensor, TchError> {
    up.f_matmul(down)?.f_mul_scalar(scale)?.f_add(weight)
}

impl Unet {
    /// Adds what a file of additions holds to the weights. Nothing is changed when it does not fit.
    ///
    /// # Errors
    /// A [`WeightsError`] that names what does not fit.
    pub fn merge_lora(&self, mut file: Variables) -> Result<(), WeightsError> {
        let mut sums = Vec::new();
        for (name, weight) in self.variables() {
            let Some(names) = lora_factors(name) else { continue };
            let [Some(down), Some(up)] = names.clone().map(|name| file.remove(&name)) else {
                continue;
            };
            let size = weight.size();
            let fits = down.dim() == 2
                && up.size() == [size[0], down.size()[0]]
                && down.size()[1] == size[1];
            if !fits {
                let [_, name] = names;
                return Err(WeightsError::Shape { name, found: up.size(), expected: size });
            }
            let factors = [&down, &up].map(|factor| factor.to_kind(weight.kind()));
            let sum = lora_sum(weight, [&factors[0], &factors[1]], 1.0)
                .map_err(|source| WeightsError::Tensor { name: name.clone(), source })?;
            sums.push((weight.shallow_clone(), sum));
        }
        if let Some((name, _)) = file.pop_first() {
            return Err(WeightsError::Unknown { name });
        }
        tch::no_grad(|| sums.iter_mut().for_each(|(weight, sum)| weight.copy_(sum)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_named_as_peft_names_them() {
        let place = "mid_block.attentions.0.transformer_blocks.0.attn2";
        assert_eq!(
            lora_factors(&format!("{place}.to_out.0.weight")).unwrap(),
            ["A", "B"].map(|which| format!("unet.{place}.to_out.0.lora_{which}.weight"))
        );
        assert_eq!(lora_factors(&format!("{place}.to_out.0.bias")), None);
        assert_eq!(lora_factors("mid_block.attentions.0.proj_in.weight"), None);
    }
}
