package proto

import "embed"

// Files are the .proto files, for those who write plugins in other languages.
//
//go:embed *.proto
var Files embed.FS

// Folder is where the files expect each other to be, below the folder that a
// compiler is told to search.
const Folder = "sdk/proto"
