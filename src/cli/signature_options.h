// The commands that are about signatures only, for the table in command_table.cc.
#pragma once

#include "cli/option_groups.h"

namespace penstock::cli {

inline constexpr Option kExtract{
    .name = "extract",
    .value_name = "DIR",
    .value = Value::filled,
    .help =
        "also write into DIR what a signature is made of, as NAME.header, and the signature that "
        "is there, as NAME.header.minisig: what minisign -V takes"};

inline constexpr auto kSignFiles =
    ours(Option{.name = "key",
                .value_name = "KEYFILE",
                .value = Value::filled,
                .help = "the secret key (penstock keygen, or minisign -G -W)",
                .required_unless = "from",
                .excludes = "from"},
         Option{.name = "from",
                .value_name = "MINISIG",
                .value = Value::filled,
                .help = "use this signature, which minisign has made of the header as verify "
                        "--extract writes it, of one FILE"},
         kFor);

inline constexpr Command kKeygenCommand{
    .id = CommandId::keygen,
    .name = "keygen",
    .group = Group::sender,
    .summary = "make a pair of keys for signatures",
    .about =
        "Makes NAME.key, the secret key (without a password, mode 0600), and NAME.pub, the "
        "public one. Neither may be there already. minisign can use both.",
    .positional = "NAME",
    .is_ours = true};

inline constexpr Command kSignCommand{
    .id = CommandId::sign,
    .name = "sign",
    .group = Group::sender,
    .summary = "sign job files that are there already",
    .about =
        "Signs the header of each plain job FILE, and so its number, time, parameters and "
        "payload; seals it first if it is not sealed. A new file takes the old one's place "
        "once it is complete and on disk. A signature that is there is replaced.",
    .options = kSignFiles,
    .positional = "FILE",
    .tail = Tail::list,
    .is_ours = true};

}  // namespace penstock::cli
