export default {
  pulumi: "3.259.0",
  baseImages: {
    node: "inference-stack/base-node:24.21.0",
    haproxy: "inference-stack/base-haproxy:2.6",
  },
};
