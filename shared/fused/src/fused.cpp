// Calls what libtorch does in one pass and tch has no binding for: a convolution with its activation, in floats and
// in 8-bit integers, which are registered for compiled graphs in namespaces of their own, and a step of AdamW.
// Then what it tells of gradients and tch does not ask.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/List.h>
#include <ATen/core/ivalue.h>
#include <ATen/native/quantized/cpu/qconv.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

namespace {

// As in lib.rs: how a convolution goes over its input, rows above and below and columns at both sides being zeros.
struct Geometry {
  int64_t stride, padding[2], groups;
};

using Operator = at::Tensor(const at::Tensor &, const at::Tensor &, const std::optional<at::Tensor> &,
                            at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t,
                            std::string_view, c10::List<std::optional<at::Scalar>>,
                            std::optional<std::string_view>);

const c10::TypedOperatorHandle<Operator> &convolution() {
  static const auto found = c10::Dispatcher::singleton()
                                .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
                                .typed<Operator>();
  return found;
}

using OntoOperator = at::Tensor(const at::Tensor &, const at::Tensor &, const at::Tensor &,
                                const std::optional<at::Tensor> &, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef,
                                int64_t, std::string_view, std::optional<at::Scalar>, std::optional<std::string_view>,
                                c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);

const c10::TypedOperatorHandle<OntoOperator> &convolution_onto() {
  static const auto found = c10::Dispatcher::singleton()
                                .findSchemaOrThrow("mkldnn::_convolution_pointwise", "binary")
                                .typed<OntoOperator>();
  return found;
}

torch::List<int64_t> pair(int64_t first, int64_t second) { return {first, second}; }

// The operator goes over the memory of its tensors, whatever their sizes and strides.
void check_alike(const at::Tensor &variable, const at::Tensor &other) {
  TORCH_CHECK(other.sizes() == variable.sizes() && other.strides() == variable.strides(),
              "a tensor of an optimiser's step is laid out otherwise than its variable");
  TORCH_CHECK(other.scalar_type() == variable.scalar_type() && other.device() == variable.device(),
              "a tensor of an optimiser's step is of another kind than its variable, or elsewhere");
}

at::Tensor *told(const std::exception &error, char *message, size_t length) {
  std::strncpy(message, error.what(), length - 1);
  message[length - 1] = 0;
  return nullptr;
}

}  // namespace

// A new tensor, or null and what went wrong in `message`. `highest` is what the output is clamped to
// from 0 up, infinity too; a negative number leaves it as it is.
extern "C" at::Tensor *agespan_fused_convolution(const at::Tensor *input, const at::Tensor *weight,
                                                 const at::Tensor *bias, const Geometry *over, double highest,
                                                 char *message, size_t length) noexcept {
  try {
    const int64_t strides[2] = {over->stride, over->stride}, dilations[2] = {1, 1};
    c10::List<std::optional<at::Scalar>> bounds;
    std::string_view activation = "none";
    if (std::isinf(highest)) {
      activation = "relu";
    } else if (highest >= 0) {
      activation = "hardtanh";
      bounds.push_back(at::Scalar(0.0));
      bounds.push_back(at::Scalar(highest));
    }
    return new at::Tensor(convolution().call(*input, *weight, *bias, over->padding, strides, dilations,
                                             over->groups, activation, bounds, std::string_view("")));
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}

// The convolution plus `other`, which has its output's size, and the positive part of that with `relu`; a new tensor,
// or null and what went wrong in `message`.
extern "C" at::Tensor *agespan_fused_convolution_onto(const at::Tensor *input, const at::Tensor *other,
                                                      const at::Tensor *weight, const at::Tensor *bias,
                                                      const Geometry *over, bool relu, char *message,
                                                      size_t length) noexcept {
  try {
    const int64_t strides[2] = {over->stride, over->stride}, dilations[2] = {1, 1};
    // The operator would read beyond a smaller one.
    const auto kernel = weight->sizes(), from = input->sizes();
    TORCH_CHECK(over->groups == 1 && kernel.size() == 4 && from.size() == 4,
                "only dense convolutions are added to something");
    const int64_t sizes[4] = {from[0], kernel[0], (from[2] + 2 * over->padding[0] - kernel[2]) / over->stride + 1,
                              (from[3] + 2 * over->padding[1] - kernel[3]) / over->stride + 1};
    TORCH_CHECK(other->sizes() == at::IntArrayRef(sizes) && other->scalar_type() == input->scalar_type(),
                "what a convolution is added to has not its output's size and kind");
    const auto behind = relu ? std::optional<std::string_view>("relu") : std::nullopt;
    return new at::Tensor(convolution_onto().call(*input, *other, *weight, *bias, over->padding, strides, dilations,
                                                  over->groups, "add", std::nullopt, behind,
                                                  c10::List<std::optional<at::Scalar>>(), std::nullopt));
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}

// Integer weights in an order that oneDNN chooses for inputs of the sizes `shape`, n, c, h and w, whose integers
// count `step`s; or null and what went wrong in `message`.
extern "C" at::Tensor *agespan_pack_quantized(const at::Tensor *weight, const at::Tensor *scales, double step,
                                              const Geometry *over, const int64_t *shape, char *message,
                                              size_t length) noexcept {
  try {
    static const auto pack =
        c10::Dispatcher::singleton().findSchemaOrThrow("onednn::qconv_prepack", "");
    torch::List<int64_t> sizes{shape[0], shape[1], shape[2], shape[3]};
    torch::jit::Stack stack{*weight, *scales, step, int64_t{0}, pair(over->stride, over->stride),
                            pair(over->padding[0], over->padding[1]), pair(1, 1), int64_t{over->groups},
                            std::move(sizes)};
    pack.callBoxed(&stack);
    return new at::Tensor(std::move(stack.at(0)).toTensor());
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}

// Bytes that count `step`s to bytes that count `step`s; what is below 0 or above 255 stays there.
extern "C" at::Tensor *agespan_quantized_convolution(const at::Tensor *input, double step, const at::Tensor *weight,
                                                     const at::Tensor *scales, const at::Tensor *zeros,
                                                     const at::Tensor *bias, const Geometry *over, char *message,
                                                     size_t length) noexcept {
  try {
    return new at::Tensor(at::native::QConvoneDNN::run_pointwise(
        *input, step, 0, *weight, *scales, *zeros, *bias, pair(over->stride, over->stride),
        pair(over->padding[0], over->padding[1]), pair(1, 1), over->groups, step, 0, at::kByte, "none",
        torch::List<std::optional<at::Scalar>>(), std::nullopt));
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}

// Moves `variable` and its moments by step number `steps` of AdamW, in place; the variable, or null and what went
// wrong in `message`, with nothing moved.
extern "C" at::Tensor *agespan_adamw(const at::Tensor *variable, const at::Tensor *gradient, const at::Tensor *first,
                                     const at::Tensor *second, double steps, double rate, double decay_first,
                                     double decay_second, double weight_decay, double epsilon, char *message,
                                     size_t length) noexcept {
  try {
    TORCH_CHECK(variable->is_non_overlapping_and_dense(), "a variable has gaps in its memory");
    for (const auto *other : {gradient, first, second}) check_alike(*variable, *other);
    const auto counted = at::scalar_tensor(steps, variable->options().dtype(at::kFloat).requires_grad(false));
    at::_fused_adamw_({*variable}, {*gradient}, {*first}, {*second}, {}, {counted}, rate, decay_first, decay_second,
                      weight_decay, epsilon, false, false, std::nullopt, std::nullopt);
    return new at::Tensor(*variable);
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}

// The gradient of `variable`, which has none any more; undefined where it had none.
extern "C" at::Tensor *agespan_take_gradient(const at::Tensor *variable, char *message, size_t length) noexcept {
  try {
    return new at::Tensor(std::exchange(variable->mutable_grad(), at::Tensor()));
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}

// Goes back from `count` tensors, whose gradients are given; the first of them, or null and what went wrong in
// `message`.
extern "C" at::Tensor *agespan_backward(const at::Tensor *const *outputs, const at::Tensor *const *gradients,
                                        size_t count, char *message, size_t length) noexcept {
  try {
    torch::autograd::variable_list from, given;
    for (size_t place = 0; place < count; ++place) {
      from.push_back(*outputs[place]);
      given.push_back(*gradients[place]);
    }
    torch::autograd::backward(from, given);
    return new at::Tensor(from.at(0));
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}
