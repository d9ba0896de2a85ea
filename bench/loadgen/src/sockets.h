// Addresses and sockets: where connections go, where they come from, and how they end.
//
// Sources are loopback addresses, chosen in turn, with IP_BIND_ADDRESS_NO_PORT so that the kernel
// picks the port at connect: 28 thousand connections for each pair of source and target.
// Invariant: every socket made here is non-blocking and close-on-exec.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "types.h"

namespace holdfast::loadgen {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// `127.0.0.1:80`, `[::1]:80` or `unix:/path`, several with commas.
std::vector<Address> parseAddresses(const std::string& list);
// `127.0.0.2-127.0.0.40`, single addresses too, with commas; empty: the kernel chooses.
std::vector<Address> parseSources(const std::string& list);

int listenOn(const Address& address, int backlog);
// Begins to connect. Returns the descriptor, or a negative errno.
int beginConnect(const Address& target, const Address* source);
// Makes the following close send RST.
void resetOnClose(int fd);
void setReceiveBuffer(int fd, u32 bytes);
// Raises the soft descriptor limit to the hard one; returns it.
u64 raiseDescriptorLimit();

}  // namespace holdfast::loadgen
