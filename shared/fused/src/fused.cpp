// Calls libtorch's operators of a convolution with its activation, in floats and in 8-bit integers, which have
// no binding in tch: they are registered for compiled graphs, in namespaces of their own.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/List.h>
#include <ATen/core/ivalue.h>
#include <ATen/native/quantized/cpu/qconv.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>

namespace {

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

torch::List<int64_t> pair(int64_t first, int64_t second) { return {first, second}; }

at::Tensor *told(const std::exception &error, char *message, size_t length) {
  std::strncpy(message, error.what(), length - 1);
  message[length - 1] = 0;
  return nullptr;
}

}  // namespace

// A new tensor, or null and what went wrong in `message`. `highest` is what the output is clamped to
// from 0 up, infinity too; a negative number leaves it as it is. `top` rows of zeros are above and below the
// input, `left` columns on both sides of it.
extern "C" at::Tensor *agespan_fused_convolution(const at::Tensor *input, const at::Tensor *weight,
                                                 const at::Tensor *bias, int64_t stride, int64_t top,
                                                 int64_t left, int64_t groups, double highest,
                                                 char *message, size_t length) noexcept {
  try {
    const int64_t strides[2] = {stride, stride}, paddings[2] = {top, left};
    const int64_t dilations[2] = {1, 1};
    c10::List<std::optional<at::Scalar>> bounds;
    std::string_view activation = "none";
    if (std::isinf(highest)) {
      activation = "relu";
    } else if (highest >= 0) {
      activation = "hardtanh";
      bounds.push_back(at::Scalar(0.0));
      bounds.push_back(at::Scalar(highest));
    }
    return new at::Tensor(convolution().call(*input, *weight, *bias, paddings, strides, dilations,
                                             groups, activation, bounds, std::string_view("")));
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}

// Integer weights in an order that oneDNN chooses for inputs of the sizes `shape`, n, c, h and w, whose integers
// count `step`s; or null and what went wrong in `message`.
extern "C" at::Tensor *agespan_pack_quantized(const at::Tensor *weight, const at::Tensor *scales, double step,
                                              int64_t stride, int64_t top, int64_t left, int64_t groups,
                                              const int64_t *shape, char *message, size_t length) noexcept {
  try {
    static const auto pack =
        c10::Dispatcher::singleton().findSchemaOrThrow("onednn::qconv_prepack", "");
    torch::List<int64_t> sizes{shape[0], shape[1], shape[2], shape[3]};
    torch::jit::Stack stack{*weight,    *scales,         step,      int64_t{0}, pair(stride, stride), pair(top, left),
                            pair(1, 1), int64_t{groups}, std::move(sizes)};
    pack.callBoxed(&stack);
    return new at::Tensor(std::move(stack.at(0)).toTensor());
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}

// Bytes that count `step`s to bytes that count `step`s; what is below 0 or above 255 stays there.
extern "C" at::Tensor *agespan_quantized_convolution(const at::Tensor *input, double step, const at::Tensor *weight,
                                                     const at::Tensor *scales, const at::Tensor *zeros,
                                                     const at::Tensor *bias, int64_t stride, int64_t top,
                                                     int64_t left, int64_t groups, char *message,
                                                     size_t length) noexcept {
  try {
    return new at::Tensor(at::native::QConvoneDNN::run_pointwise(
        *input, step, 0, *weight, *scales, *zeros, *bias, pair(stride, stride), pair(top, left), pair(1, 1), groups,
        step, 0, at::kByte, "none", torch::List<std::optional<at::Scalar>>(), std::nullopt));
  } catch (const std::exception &error) {
    return told(error, message, length);
  }
}
