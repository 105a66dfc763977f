// Calls libtorch's operators of a convolution in 8-bit integers, which have no binding in tch.

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/native/quantized/cpu/qconv.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>

namespace {

torch::List<int64_t> pair(int64_t first, int64_t second) { return {first, second}; }

at::Tensor *told(const std::exception &error, char *message, size_t length) {
  std::strncpy(message, error.what(), length - 1);
  message[length - 1] = 0;
  return nullptr;
}

}  // namespace

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
